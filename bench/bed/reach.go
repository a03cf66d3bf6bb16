package bed

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/weftnet/weft/lab"
)

const (
	reachWithin = 15 * time.Second
	answerIn    = 100 * time.Millisecond // then the question is asked again
	pause       = 10 * time.Millisecond  // between questions that fail at once
)

// awaitReach asks from one place until the other answers: datagrams there and back. The error holds the last reason.
func (b *Bed) awaitReach(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, reachWithin)
	defer cancel()
	echo, err := listenEcho(b.Target.To, b.Target.ToAddr)
	if err != nil {
		return err
	}
	defer echo.close()
	for {
		why := ask(b.Target.From, echo.addr)
		if why == nil {
			return nil
		}
		if ended := b.Running.Ended(); ended != nil {
			return ended
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not reach %s: %w (last: %w)", b.Target.FromAddr, b.Target.ToAddr, context.Cause(ctx), why)
		case <-time.After(pause):
		}
	}
}

// ask sends one datagram and waits a moment for it to come back.
func ask(from *lab.Namespace, to netip.AddrPort) error {
	var conn *net.UDPConn
	err := from.Do(func() (err error) {
		conn, err = net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(to))
		return err
	})
	if err != nil {
		return err
	}
	defer conn.Close()
	question, answer := make([]byte, 16), make([]byte, 17)
	rand.Read(question)
	if err := conn.SetDeadline(time.Now().Add(answerIn)); err != nil {
		return err
	}
	if _, err := conn.Write(question); err != nil {
		return err
	}
	n, err := conn.Read(answer)
	if err == nil && !bytes.Equal(answer[:n], question) {
		return errors.New("the answer is not what was asked")
	}
	return err
}

// echo is a socket that sends back every datagram.
type echo struct {
	conn *net.UDPConn
	addr netip.AddrPort
	done chan struct{}
}

func listenEcho(at *lab.Namespace, addr netip.Addr) (*echo, error) {
	var conn *net.UDPConn
	err := at.Do(func() (err error) {
		conn, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listen in %s: %w", at.Name(), err)
	}
	bound := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	e := &echo{conn: conn, addr: netip.AddrPortFrom(bound.Addr().Unmap(), bound.Port()), done: make(chan struct{})}
	go e.serve()
	return e, nil
}

// serve ends when the socket is closed; an answer that cannot be sent is asked for again.
func (e *echo) serve() {
	defer close(e.done)
	buf := make([]byte, 1<<16)
	for {
		n, from, err := e.conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			e.conn.WriteToUDPAddrPort(buf[:n], from)
		}
	}
}

func (e *echo) close() {
	e.conn.Close()
	<-e.done
}
