package demo

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"github.com/weftnet/weft/lab"
)

// result is what a transfer gave.
type result struct {
	sum  [sha256.Size]byte
	took time.Duration
}

// transfer sends size random bytes over TCP from one pod to another; different bytes at the ends are an error.
func transfer(ctx context.Context, from, to *lab.Pod, size int64) (result, error) {
	var l net.Listener
	err := to.Do(func() (err error) {
		l, err = net.Listen("tcp", netip.AddrPortFrom(to.Addr4(), 0).String())
		return err
	})
	if err != nil {
		return result{}, fmt.Errorf("listen in %s: %w", to.Name(), err)
	}
	defer l.Close()
	received := make(chan result, 1)
	failed := make(chan error, 1)
	go func() {
		r, err := receive(l)
		if err != nil {
			failed <- err
			return
		}
		received <- r
	}()
	started := time.Now()
	sent, err := send(ctx, from, l.Addr().String(), size)
	if err != nil {
		return result{}, fmt.Errorf("send from %s: %w", from.Name(), err)
	}
	select {
	case r := <-received:
		if r.sum != sent {
			return result{}, fmt.Errorf("the bytes differ: SHA-256 %x sent, %x received", sent, r.sum)
		}
		r.took = time.Since(started)
		return r, nil
	case err := <-failed:
		return result{}, fmt.Errorf("receive in %s: %w", to.Name(), err)
	case <-ctx.Done():
		return result{}, ctx.Err()
	}
}

func receive(l net.Listener) (result, error) {
	conn, err := l.Accept()
	if err != nil {
		return result{}, err
	}
	defer conn.Close()
	h := sha256.New()
	if _, err := io.CopyBuffer(h, struct{ io.Reader }{conn}, make([]byte, 256<<10)); err != nil {
		return result{}, err
	}
	return result{sum: [sha256.Size]byte(h.Sum(nil))}, nil
}

func send(ctx context.Context, from *lab.Pod, to string, size int64) ([sha256.Size]byte, error) {
	var conn net.Conn
	err := from.Do(func() (err error) {
		conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", to)
		return err
	})
	if err != nil {
		return [sha256.Size]byte{}, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	random := rand.NewChaCha8([32]byte{'w', 'e', 'f', 't'})
	h := sha256.New()
	_, err = io.CopyBuffer(io.MultiWriter(conn, h), io.LimitReader(random, size), make([]byte, 256<<10))
	return [sha256.Size]byte(h.Sum(nil)), err
}
