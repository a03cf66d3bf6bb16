package attack

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/trust"
)

// Initiations are n frames that begin handshakes with a victim, each other than the rest. They are valid as far as the victim can
// tell without work on curves: whoever has the cluster's secret can make them, of a key that nobody knows.
func Initiations(secret trust.Secret, victim trust.PublicKeys, s encap.Settings, n int) (frames [][]byte, err error) {
	var seed [32]byte
	for i := range seed {
		seed[i] = byte(rand.Uint32())
	}
	id, err := trust.NewIdentity(seed[:])
	if err != nil {
		return nil, fmt.Errorf("attack: make a key: %w", err)
	}
	session := encap.NewSession(encap.SessionConfig{
		Local: &encap.Local{Identity: id, Ring: trust.NewRing(secret.Derive()), Settings: s, Name: "flood"},
		Peer:  victim, Indexes: unbound{}, Stamp: encap.Stamps(memberEpoch + uint64(time.Now().UnixNano())),
	})
	for range n {
		f, err := session.Initiate(time.Now())
		if err != nil {
			return nil, fmt.Errorf("attack: make an initiation: %w", err)
		}
		frames = append(frames, f)
	}
	return frames, nil
}

// unbound are the indexes of sessions that are never made.
type unbound struct{}

// Bind implements encap.Indexes.
func (unbound) Bind(uint32, *encap.Keypair) {}

// Release implements encap.Indexes.
func (unbound) Release(uint32) {}

// Flood is frames that go onto a host's cable again and again, at a rate, until it is ended. The wire is its own meanwhile.
type Flood struct {
	quit chan struct{}
	done chan struct{}
	sent uint64
	err  error
}

// floodStep is how often frames of a flood are sent: all that are due by then.
const floodStep = time.Millisecond

// Flood begins to send whole Ethernet frames, rate of them in a second, in their order and then from the first on. Where the machine is
// too slow for that, fewer go: what could not be sent in time is not made up for.
func (w *Wire) Flood(frames [][]byte, rate int) *Flood {
	f := &Flood{quit: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(f.done)
		f.err = f.send(w, frames, rate)
	}()
	return f
}

func (f *Flood) send(w *Wire, frames [][]byte, rate int) error {
	tick := time.NewTicker(floodStep)
	defer tick.Stop()
	next, last := 0, time.Now()
	for {
		select {
		case <-f.quit:
			return nil
		case <-tick.C:
		}
		now := time.Now()
		due := int(min(now.Sub(last), 10*floodStep) * time.Duration(rate) / time.Second)
		if due == 0 {
			continue
		}
		last = now
		for due > 0 {
			n := min(due, len(frames)-next)
			if err := w.SendEthernet(frames[next : next+n]...); err != nil {
				return err
			}
			f.sent += uint64(n)
			due, next = due-n, (next+n)%len(frames)
		}
	}
}

// End ends the flood, and returns how many frames were sent.
func (f *Flood) End() (sent uint64, err error) {
	close(f.quit)
	<-f.done
	return f.sent, f.err
}
