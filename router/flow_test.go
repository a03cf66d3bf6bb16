package router

import (
	"fmt"
	"sync"
	"time"
)

// flow sends packets from one side to another, evenly spaced, until it is stopped.
type flow struct {
	from, to *side
	stop     chan struct{}
	done     chan struct{}
	got      map[string]int
	bad      []string // came, but was never sent

	mu   sync.Mutex // guards sent
	sent map[string]bool
}

// flow begins to send every gap; what the receiver gets is noted.
func (w *world) flow(from, to *side, gap time.Duration) *flow {
	f := &flow{from: from, to: to, stop: make(chan struct{}), done: make(chan struct{}), sent: map[string]bool{}, got: map[string]int{}}
	go func() {
		defer close(f.done)
		for i := 0; ; i++ {
			f.send(fmt.Sprintf("%s to %s: %d", from.name, to.name, i))
			select {
			case <-f.stop:
				return
			case <-time.After(gap):
			}
		}
	}()
	return f
}

func (f *flow) send(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent[text] = true
	f.from.inject(udp(pod(f.from.number), pod(f.to.number), text))
}

// end stops the flow, and returns once nothing is on its way any more.
func (f *flow) end() {
	close(f.stop)
	<-f.done
	time.Sleep(100 * time.Millisecond)
}

// collect reads what the receivers got.
func collect(flows ...*flow) {
	for _, f := range flows {
		for _, text := range f.to.payloads() {
			f.note(text)
		}
	}
}

func (f *flow) note(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.got[text]++
	if !f.sent[text] {
		f.bad = append(f.bad, text)
	}
}

func (f *flow) lost() (n int) {
	for text := range f.sent {
		if f.got[text] == 0 {
			n++
		}
	}
	return n
}

func (f *flow) twice() (n int) {
	for _, times := range f.got {
		if times > 1 {
			n++
		}
	}
	return n
}
