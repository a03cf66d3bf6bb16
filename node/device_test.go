package node

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/tun"
)

// fakeDevice is a device that the kernel can take away, or break. While one is open, another of its name is busy.
type fakeDevice struct {
	*tun.Memory
	gone   atomic.Bool // reads and writes end with ErrGone
	closed atomic.Bool
}

// lose wakes the reader with ErrGone.
func (d *fakeDevice) lose() {
	d.gone.Store(true)
	d.Memory.Close()
}

// Queues implements tun.Device.
func (d *fakeDevice) Queues() []tun.Queue { return []tun.Queue{d} }

// Read implements tun.Queue.
func (d *fakeDevice) Read() ([]packet.Superpacket, error) {
	batch, err := d.Memory.Read()
	if err != nil && d.gone.Load() && !d.closed.Load() {
		return nil, tun.ErrGone
	}
	return batch, err
}

// Close implements tun.Device.
func (d *fakeDevice) Close() error {
	d.closed.Store(true)
	return d.Memory.Close()
}

// devicePair is two nodes that reach each other.
func devicePair(t *testing.T, test func(t *testing.T, a, b *machine)) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b := s.pair()
		test(t, a, b)
		within(t, 5*time.Second, "packets go through", func() bool { return a.carries(b) && b.carries(a) })
		time.Sleep(5 * time.Second)
		if d := a.status().Node.Degraded; len(d) != 0 {
			t.Errorf("degraded %+v", d)
		}
	})
}

func (m *machine) opens() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.opened
}

func (m *machine) failOpen(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failing = err
}

func (m *machine) saysDeviceIsBad() bool {
	return slices.ContainsFunc(m.status().Node.Degraded, func(n api.Note) bool { return n.What == "device" })
}

func TestADeviceThatTheKernelMissesIsOpenedAgainOnce(t *testing.T) {
	devicePair(t, func(t *testing.T, a, _ *machine) {
		for range 3 {
			opened := a.opens()
			a.kernel.plug(false)
			within(t, 5*time.Second, "it is there again", func() bool { return a.opens() > opened })
			time.Sleep(5 * time.Second)
			if n := a.opens() - opened; n != 1 {
				t.Errorf("opened %d times", n)
			}
		}
	})
}

func TestADeletedDeviceThatBothReaderAndKernelMissIsOpenedAgainOnce(t *testing.T) {
	devicePair(t, func(t *testing.T, a, _ *machine) {
		for range 3 {
			opened := a.opens()
			a.kernel.plug(false)
			a.lastDevice().lose()
			a.kernel.notify()
			time.Sleep(10 * time.Second)
			if n := a.opens() - opened; n != 1 {
				t.Errorf("opened %d times", n)
			}
		}
	})
}

func TestADeviceThatOnlyTheReaderFindsBrokenIsOpenedAgain(t *testing.T) {
	devicePair(t, func(t *testing.T, a, _ *machine) {
		opened := a.opens()
		a.lastDevice().lose()
		within(t, time.Second, "it is open again", func() bool { return a.opens() == opened+1 })
	})
}

func TestADeviceThatCannotBeOpenedAgainIsSaidAndTriedUntilItCan(t *testing.T) {
	for name, missing := range map[string]bool{"the kernel misses it": true, "only the reader does": false} {
		t.Run(name, func(t *testing.T) {
			devicePair(t, func(t *testing.T, a, _ *machine) {
				a.failOpen(tun.ErrNoDevice)
				a.kernel.plug(!missing)
				a.lastDevice().lose()
				within(t, 5*time.Second, "it is said", a.saysDeviceIsBad)
				time.Sleep(time.Minute)
				a.failOpen(nil)
				within(t, 5*time.Second, "it is well", func() bool { return !a.saysDeviceIsBad() })
			})
		})
	}
}
