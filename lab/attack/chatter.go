package attack

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Chatter is plaintext on its way from one place to addresses of another, over TCP and UDP at once, until it is ended.
type Chatter struct {
	stop  chan struct{}
	done  sync.WaitGroup
	ended sync.Once

	tcp, udp atomic.Int64 // bytes that arrived as they were
	tried    atomic.Int64 // datagrams that were handed to the kernel, whether it took them or not
	mu       sync.Mutex   // guards what follows
	problems []error
	closers  []io.Closer
}

const (
	chatterPace  = 5 * time.Millisecond // between two pieces
	chatterPiece = 16 << 10             // bytes of TCP, and of UDP, at a time
	chatterUDP   = 1200                 // bytes of a datagram: whole blocks
)

// Chat begins UDP to each of the addresses, whether it arrives or not. End ends it.
func Chat(from, to Place, addrs ...netip.Addr) (*Chatter, error) {
	c := &Chatter{stop: make(chan struct{})}
	for _, addr := range addrs {
		if err := c.startUDP(from, to, addr); err != nil {
			return nil, errors.Join(fmt.Errorf("attack: chat: %w", err), c.End())
		}
	}
	return c, nil
}

func (c *Chatter) startUDP(from, to Place, addr netip.Addr) error {
	var in net.PacketConn
	err := to.Do(func() (err error) {
		in, err = net.ListenPacket("udp", netip.AddrPortFrom(addr, 0).String())
		return err
	})
	if err != nil {
		return err
	}
	c.keep(in)
	var out net.Conn
	err = from.Do(func() (err error) {
		out, err = net.Dial("udp", in.LocalAddr().String())
		return err
	})
	if err != nil {
		return err
	}
	c.keep(out)
	c.done.Go(func() { c.sendUDP(out) })
	c.done.Go(func() { c.receiveUDP(in) })
	return nil
}

// TCP opens a connection to each of the addresses, and sends on it. They must be reached.
func (c *Chatter) TCP(from, to Place, addrs ...netip.Addr) error {
	for _, addr := range addrs {
		if err := c.startTCP(from, to, addr); err != nil {
			return fmt.Errorf("attack: chat: %w", err)
		}
	}
	return nil
}

func (c *Chatter) startTCP(from, to Place, addr netip.Addr) error {
	var in net.Listener
	err := to.Do(func() (err error) {
		in, err = net.Listen("tcp", netip.AddrPortFrom(addr, 0).String())
		return err
	})
	if err != nil {
		return err
	}
	c.keep(in)
	c.done.Go(func() { c.receiveTCP(in) })
	var out net.Conn
	err = from.Do(func() (err error) {
		out, err = (&net.Dialer{Timeout: 10 * time.Second}).Dial("tcp", in.Addr().String())
		return err
	})
	if err != nil {
		return err
	}
	c.keep(out)
	c.done.Go(func() { c.sendTCP(out) })
	return nil
}

// keep closes something at the end.
func (c *Chatter) keep(x io.Closer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closers = append(c.closers, x)
}

// paced calls send every few milliseconds until the end, or until it reports false.
func (c *Chatter) paced(send func() bool) {
	tick := time.NewTicker(chatterPace)
	defer tick.Stop()
	for send() {
		select {
		case <-c.stop:
			return
		case <-tick.C:
		}
	}
}

func (c *Chatter) sendUDP(out net.Conn) {
	var block uint64
	c.paced(func() bool {
		for range chatterPiece / chatterUDP {
			_, _ = out.Write(Plaintext(block, chatterUDP)) // unreachable is an answer, too
			c.tried.Add(1)
			block += chatterUDP / blockLen
		}
		return true
	})
}

func (c *Chatter) sendTCP(out net.Conn) {
	var block uint64
	c.paced(func() bool {
		if _, err := out.Write(Plaintext(block, chatterPiece)); err != nil {
			c.fail(err)
			return false
		}
		block += chatterPiece / blockLen
		return true
	})
}

func (c *Chatter) receiveUDP(in net.PacketConn) {
	b := make([]byte, 1<<16)
	for {
		n, _, err := in.ReadFrom(b)
		if err != nil {
			return
		}
		if err := CheckPlaintext(b[:n], firstBlock(b[:n])); err != nil {
			c.fail(err)
		}
		c.udp.Add(int64(n))
	}
}

func (c *Chatter) receiveTCP(l net.Listener) {
	conn, err := l.Accept()
	if err != nil {
		return
	}
	c.keep(conn)
	in, b := bufio.NewReader(conn), make([]byte, chatterUDP)
	for block := uint64(0); ; block += chatterUDP / blockLen {
		if _, err := io.ReadFull(in, b); err != nil {
			return
		}
		if err := CheckPlaintext(b, block); err != nil {
			c.fail(err)
			return
		}
		c.tcp.Add(int64(len(b)))
	}
}

// fail notes what is wrong, unless it is that the end has come.
func (c *Chatter) fail(err error) {
	select {
	case <-c.stop:
		return
	default:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.problems = append(c.problems, err)
}

// Arrived is how many bytes have come as they were sent.
func (c *Chatter) Arrived() (tcp, udp int64) { return c.tcp.Load(), c.udp.Load() }

// Tried is how many datagrams were sent, whether the kernel had a way for them or not.
func (c *Chatter) Tried() int64 { return c.tried.Load() }

// End ends all of it and says what was wrong. It may be called again.
func (c *Chatter) End() error {
	c.ended.Do(func() {
		close(c.stop)
		c.mu.Lock()
		for _, x := range c.closers {
			x.Close()
		}
		c.mu.Unlock()
		c.done.Wait()
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Join(c.problems...)
}
