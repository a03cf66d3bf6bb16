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

// errLoadEnded says that what was measured under load was partly measured without.
var errLoadEnded = errors.New("the load ended before the measurement under it")

// during makes the transfer and calls do when its bytes flow. The transfer must last until do has returned.
func (i iperf) during(ctx context.Context, t Target, do func(context.Context) error) (transfer, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var done transfer
	var failed error
	ended := make(chan struct{})
	before, err := received(t.To)
	if err != nil {
		return done, err
	}
	go func() {
		defer close(ended)
		done, failed = i.run(ctx, t, nil)
	}()
	err = i.under(ctx, t, before, ended, do)
	if err != nil && !errors.Is(err, errLoadEnded) {
		cancel()
	}
	<-ended
	if failed != nil && (err == nil || errors.Is(err, errLoadEnded)) {
		return done, failed
	}
	return done, err
}

// under waits until bytes flow, calls do, and checks that the transfer has not ended meanwhile.
func (i iperf) under(ctx context.Context, t Target, before uint64, ended <-chan struct{}, do func(context.Context) error) error {
	over := func() bool {
		select {
		case <-ended:
			return true
		default:
			return false
		}
	}
	var failed error
	err := await(ctx, "the load", func() bool {
		now, err := received(t.To)
		failed = err
		return over() || err != nil || now-before >= flowing
	})
	if err := errors.Join(failed, err); err != nil {
		return err
	}
	if over() {
		return fmt.Errorf("measure: %w", errLoadEnded)
	}
	if err := do(ctx); err != nil {
		return err
	}
	if over() {
		return fmt.Errorf("measure: %w", errLoadEnded)
	}
	return nil
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
