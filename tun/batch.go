package tun

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync/atomic"

	wgtun "golang.zx2c4.com/wireguard/tun"

	"github.com/weftnet/weft/inherit"
	"github.com/weftnet/weft/packet"
)

// readBuffers bounds the segments of one read: 64 KiB in segments of 128 bytes. A TCP maximum segment size is 536 at least
// (RFC 9293 section 3.7.1), unless somebody asks for less.
const readBuffers = 512

// batch reads superpackets, which the library cuts into segments, and writes segments, which the library joins into
// superpackets where it can.
type batch struct {
	file
	lib        wgtun.Device
	able       abilities
	unreadable atomic.Uint64

	bufs  [][]byte
	sizes []int
	in    []packet.Superpacket

	writer *batchWriter
}

// startBatch takes q over. Of the library's constructors it uses the one that starts no goroutines: those of the others wake
// up every second, and watch what the kernel room watches already.
func startBatch(q *queue, o Options) (Device, error) {
	able, err := q.negotiate(o.Offloads)
	if err != nil {
		q.close()
		return nil, err
	}
	lib, _, err := wgtun.CreateUnmonitoredTUNFromFD(q.fd)
	if err != nil {
		return nil, fmt.Errorf("tun: open %s: %w", q.name, err) // the library's file owns the descriptor, and closes it
	}
	d := &batch{file: file{name: q.name, os: lib.File()}, lib: lib, able: able}
	err = q.setOffloads(able.flags()) // the library has turned on all of them
	if err == nil {
		err = d.allocate()
	}
	if err != nil {
		_ = lib.Close()
		return nil, err
	}
	return d, nil
}

func (d *batch) allocate() error {
	in, err := newSlab(d, readBuffers)
	if err != nil {
		return err
	}
	out, err := newSlab(d, writeBuffers+1)
	if err != nil {
		return err
	}
	d.bufs = make([][]byte, readBuffers)
	for i := range d.bufs {
		d.bufs[i] = in.buffer(i)
	}
	d.sizes, d.in = make([]int, readBuffers), make([]packet.Superpacket, readBuffers)
	d.writer = newBatchWriter(d.lib, d.able, out)
	return nil
}

func (d *batch) Name() string       { return d.name }
func (d *batch) Driver() Driver     { return DriverBatch }
func (d *batch) Queues() []Queue    { return []Queue{d} }
func (d *batch) Joins() Joins       { return Joins{} } // the library joins
func (d *batch) Unreadable() uint64 { return d.unreadable.Load() }

func (d *batch) Read() ([]packet.Superpacket, error) {
	for {
		n, err := d.lib.Read(d.bufs, d.sizes, 0)
		if err != nil {
			if fatal := d.readError(err); fatal != nil {
				return nil, fatal
			}
			d.unreadable.Add(1)
		}
		if n > 0 {
			return d.received(n), nil
		}
	}
}

// readError returns nil when the error is about one packet, which the library cannot make sense of or not wholly.
func (d *batch) readError(err error) error {
	if end, ok := d.ended(err); ok {
		return end
	}
	if errors.As(err, new(*fs.PathError)) || errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("tun: read from %s: %w", d.name, err)
	}
	return nil
}

func (d *batch) received(n int) []packet.Superpacket {
	for i := range n {
		d.in[i].Data = d.bufs[i][:d.sizes[i]]
		repair(d.in[i].Data)
	}
	return d.in[:n]
}

func (d *batch) Write(batch []packet.Superpacket) (written int, err error) {
	lost, err := d.writer.write(batch)
	written = max(0, len(batch)-lost)
	if err == nil {
		return written, nil
	}
	if end, ok := d.ended(err); ok {
		return written, end
	}
	return written, fmt.Errorf("tun: write to %s: %w", d.name, err)
}

// Descriptors implements Inheritable.
func (d *batch) Descriptors() []int {
	var fds []int
	_ = inherit.With(d.os, func(fd int) error { // a closed device has none
		fds = []int{fd}
		return nil
	})
	return fds
}

func (d *batch) Offloads() []Offload { return d.able.list() }

func (d *batch) Close() error {
	d.closed.Store(true)
	if err := d.lib.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("tun: close %s: %w", d.name, err)
	}
	return nil
}
