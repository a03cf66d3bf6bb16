package impair

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"time"
)

// maxFrame is more than any veth carries: 65535 and an Ethernet header.
const maxFrame = 1 << 17

// way is one direction of the relay.
type way struct {
	from, to net.HardwareAddr // of the hosts: their frames are impaired
	in, out  *os.File         // packet sockets
	dice     *dice
	counts   *counters
	late     *late
}

// start carries frames until in is closed. wait is done when all of it has ended.
func (w *way) start(wait *sync.WaitGroup, failed func(error)) {
	w.late = newLate(w.write)
	wait.Go(w.late.run)
	wait.Go(func() {
		defer close(w.late.quit)
		if err := w.carry(); !errors.Is(err, os.ErrClosed) {
			failed(fmt.Errorf("impair: read frames from %s: %w", w.from, err))
		}
	})
}

func (w *way) carry() error {
	buf := make([]byte, maxFrame)
	for {
		n, err := w.in.Read(buf)
		if err != nil {
			return err
		}
		w.counts.size(n)
		w.pass(buf[:n])
	}
}

// pass lets one frame meet its fate.
func (w *way) pass(frame []byte) {
	if !w.concerns(frame) {
		w.counts.passed.Add(1)
		w.write(frame)
		return
	}
	f := w.dice.roll()
	w.counts.fate(f)
	for range f.copies {
		if f.after == 0 {
			w.write(frame)
		} else {
			w.late.add(slices.Clone(frame), time.Now().Add(f.after))
		}
	}
}

// concerns reports whether a frame goes from the one host to the other: its first twelve bytes are destination and source.
func (w *way) concerns(frame []byte) bool {
	return len(frame) >= 12 && bytes.Equal(frame[:6], w.to) && bytes.Equal(frame[6:12], w.from)
}

func (w *way) write(frame []byte) {
	if _, err := w.out.Write(frame); err != nil {
		w.counts.refused.Add(1)
	}
}
