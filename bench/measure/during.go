package measure

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/weftnet/weft/lab"
)

// flowing is how many bytes show that a transfer is under way.
const flowing = 64 << 10

// during makes the transfer and calls do when its bytes flow. The transfer must last until do has returned.
func (i iperf) during(ctx context.Context, t Target, do func(context.Context) error) (transfer, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	before, err := received(t.To)
	if err != nil {
		return transfer{}, err
	}
	flows := func() (bool, error) {
		now, err := received(t.To)
		return less(now, before) >= flowing, err
	}
	l := &underLoad{ended: make(chan struct{})}
	var done transfer
	var failed error
	go func() {
		defer close(l.ended)
		done, failed = i.run(ctx, t, nil)
	}()
	err = l.run(ctx, flows, do)
	early := errors.Is(err, errLoadEnded)
	if err != nil && !early {
		cancel()
	}
	<-l.ended
	if failed != nil && (err == nil || early) {
		err = failed // why there was no load, or no figure of it
	}
	return done, err
}

// received is how many bytes have arrived over IPv4 in a namespace since it was made.
func received(n *lab.Namespace) (bytes uint64, err error) {
	err = n.Do(func() error {
		raw, err := os.ReadFile("/proc/thread-self/net/netstat")
		if err != nil {
			return err
		}
		return parsePairs(string(raw), func(name string, value uint64) {
			if name == "IpExtInOctets" {
				bytes = value
			}
		})
	})
	if err != nil {
		return 0, fmt.Errorf("measure: bytes received in %s: %w", n.Name(), err)
	}
	return bytes, nil
}
