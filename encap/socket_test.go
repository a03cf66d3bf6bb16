package encap

import (
	"errors"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func boundSocket(t *testing.T) *socket {
	t.Helper()
	s, err := bindSocket(netip.MustParseAddrPort("127.0.0.1:0"), func(int) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

// cookie names the socket behind a descriptor, for good and unlike any other; 0: there is none (SO_COOKIE).
func cookie(fd int) uint64 {
	c, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_COOKIE)
	if err != nil {
		return 0
	}
	return c
}

func TestDescriptorClosesWithItsLastUser(t *testing.T) {
	s := boundSocket(t)
	this := cookie(s.fd)
	for range 2 {
		if !s.acquire() {
			t.Fatal("an open socket cannot be used")
		}
	}
	s.close()
	s.close()
	if s.acquire() {
		t.Error("a closed socket can be used")
	}
	s.release()
	if cookie(s.fd) != this {
		t.Error("the descriptor went while it was in use")
	}
	s.release()
	if cookie(s.fd) == this {
		t.Error("the descriptor stayed")
	}
	next := boundSocket(t) // takes the number
	other := cookie(next.fd)
	if s.acquire() {
		t.Error("a closed socket can be used again")
	}
	s.close()
	if cookie(next.fd) != other {
		t.Error("a socket that is closed already closes what has its number now")
	}
}

func TestDescriptorIsClosedOnceHoweverManyUseAndCloseIt(t *testing.T) {
	for range 200 {
		s := boundSocket(t)
		this := cookie(s.fd)
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				for s.acquire() {
					if cookie(s.fd) != this {
						t.Error("a user's descriptor names something else")
					}
					s.release()
					if i == 0 {
						s.close()
					}
					runtime.Gosched()
				}
			})
		}
		wg.Wait()
		if cookie(s.fd) == this {
			t.Fatal("the descriptor stayed")
		}
	}
}

func TestNothingIsReceivedWhereNothingIs(t *testing.T) {
	u := listen(t, "127.0.0.1:0")
	if batch, err := u.TryReceive(); len(batch) > 0 || err != nil {
		t.Errorf("%d datagrams, %v", len(batch), err)
	}
}

func TestDescriptorIsReadableWhenSomethingIsThereAndAfterClose(t *testing.T) {
	u := listen(t, "127.0.0.1:0")
	readable := func(most time.Duration) bool {
		fds := []unix.PollFd{{Fd: int32(u.Descriptor()), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, int(most.Milliseconds()))
		return err == nil && n == 1
	}
	if readable(0) {
		t.Error("readable, and nothing is there")
	}
	u.Send([]Train{single(at("127.0.0.1", u.Port()), []byte("x"))})
	if !readable(10 * time.Second) {
		t.Error("something is there, and not readable")
	}
	u.TryReceive()
	if readable(0) {
		t.Error("readable, and all is read")
	}
	woken := make(chan bool)
	if !u.in.acquire() { // the number stays ours
		t.Fatal("closed")
	}
	defer u.in.release()
	go func() { woken <- readable(10 * time.Second) }()
	u.close()
	if !<-woken {
		t.Error("Close does not wake who polls the descriptor")
	}
	if _, err := u.TryReceive(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("TryReceive after Close: %v", err)
	}
}

func TestCloseMayComeInTheMiddleOfEverything(t *testing.T) {
	for range 30 {
		u := open(t, UDPOptions{Listen: "127.0.0.1:0", Lanes: 2})
		to := at("127.0.0.1", u.Port())
		var wg sync.WaitGroup
		for _, c := range u.conns {
			wg.Go(func() {
				for err := error(nil); err == nil; {
					_, err = c.Receive()
				}
			})
			for range 2 {
				wg.Go(func() {
					for r := (SendResult{Sent: 2}); r.Sent == 2; {
						r = c.Send([]Train{train(to, 100, "ab")})
						if r.Sent < 2 && !errors.Is(r.Err, os.ErrClosed) {
							t.Errorf("Send: %+v", r)
						}
					}
				})
			}
		}
		var came sync.WaitGroup
		came.Go(func() { u.Close() })
		came.Go(func() { u.Close() })
		came.Wait()
		wg.Wait()
	}
}
