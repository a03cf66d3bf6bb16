package attack

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/lab"
)

// Capture takes a copy of every frame that hosts of a lab put onto the underlay.
type Capture struct {
	file *os.File
	done chan struct{}

	mu     sync.Mutex // guards what follows
	frames []captured
	failed error
}

// captured is one Ethernet frame, or a superpacket that the kernel would cut later.
type captured struct {
	segment int // bytes of UDP payload in each of its datagrams; 0: it is one
	bytes   []byte
}

const (
	captureBuffer = 128 << 20 // bytes, as the kernel counts them: what comes while the reader waits for a processor
	virtioLen     = 10        // of a struct virtio_net_hdr
	virtioUDPL4   = 5         // VIRTIO_NET_HDR_GSO_UDP_L4 of virtio 1.2, section 5.1.6
)

// Listen begins a capture at the switch of a lab. The caller ends it with Stop.
func Listen(l *lab.Lab) (*Capture, error) {
	c := &Capture{done: make(chan struct{})}
	err := l.Switch().Do(func() (err error) {
		c.file, err = openPacketSocket("", unix.ETH_P_ALL)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("attack: capture: %w", err)
	}
	go c.read()
	return c, nil
}

// prepareCapture gives a socket a large buffer, a head before each frame that says how superpackets are cut (packet(7),
// PACKET_VNET_HDR), and nothing of what the switch sends: each frame enters it once.
func prepareCapture(fd int) error {
	for _, o := range []struct{ level, name, value int }{
		{unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, captureBuffer},
		{unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1},
		{unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1},
	} {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			return err
		}
	}
	return nil
}

func (c *Capture) read() {
	defer close(c.done)
	buffer := make([]byte, 1<<17)
	for {
		n, err := c.file.Read(buffer)
		if err != nil {
			c.mu.Lock()
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				c.failed = err
			}
			c.mu.Unlock()
			return
		}
		if n > virtioLen {
			c.keep(buffer[:n])
		}
	}
}

func (c *Capture) keep(b []byte) {
	f := captured{bytes: bytes.Clone(b[virtioLen:])}
	if b[1] == virtioUDPL4 {
		f.segment = int(binary.NativeEndian.Uint16(b[4:]))
	}
	c.mu.Lock()
	c.frames = append(c.frames, f)
	c.mu.Unlock()
}

// Stop ends the capture, once what has been sent so far is read. It is an error if the kernel has dropped anything of it.
func (c *Capture) Stop() error {
	if err := c.file.SetReadDeadline(past); err != nil {
		return fmt.Errorf("attack: end the capture: %w", err)
	}
	<-c.done
	defer c.file.Close()
	if err := c.drain(); err != nil {
		return err
	}
	return c.failed
}

// drain reads what still waits, and asks what the kernel dropped.
func (c *Capture) drain() error {
	raw, err := c.file.SyscallConn()
	if err != nil {
		return err
	}
	var stats *unix.TpacketStats
	buffer := make([]byte, 1<<17)
	controlErr := raw.Control(func(fd uintptr) {
		for {
			n, errRead := unix.Read(int(fd), buffer)
			if errRead != nil {
				break
			}
			if n > virtioLen {
				c.keep(buffer[:n])
			}
		}
		stats, err = unix.GetsockoptTpacketStats(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS)
	})
	switch {
	case controlErr != nil || err != nil:
		return fmt.Errorf("attack: ask what the capture lost: %w", errors.Join(controlErr, err))
	case stats.Drops > 0:
		return fmt.Errorf("attack: the capture lost %d of %d frames", stats.Drops, stats.Packets)
	}
	return nil
}

// Datagrams are those of the captured UDP datagrams, in order, that want approves. They must not be changed.
func (c *Capture) Datagrams(want func(Datagram) bool) []Datagram {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []Datagram
	for _, f := range c.frames {
		d, ok := parseDatagram(f.bytes)
		if !ok {
			continue
		}
		for _, payload := range cut(d.Payload, f.segment) {
			d.Payload = payload
			if want(d) {
				list = append(list, d)
			}
		}
	}
	return list
}

// cut is a train in its pieces.
func cut(train []byte, size int) (pieces [][]byte) {
	for size > 0 && len(train) > size {
		pieces, train = append(pieces, train[:size]), train[size:]
	}
	return append(pieces, train)
}

// Count is how many frames were captured, superpackets counted as one, and how many bytes.
func (c *Capture) Count() (frames int, size int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.frames {
		size += int64(len(f.bytes))
	}
	return len(c.frames), size
}

// Find counts the occurrences of text in all captured bytes.
func (c *Capture) Find(text []byte) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.frames {
		n += bytes.Count(f.bytes, text)
	}
	return n
}
