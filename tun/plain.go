package tun

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/songgao/water"

	"github.com/weftnet/weft/packet"
)

// plain moves one packet in each system call, without a virtio-net header: the kernel segments and completes what it gives
// us, and takes only finished packets.
type plain struct {
	file
	able      abilities
	segmenter packet.Segmenter
	in        [1]packet.Superpacket
	readBuf   []byte
	joinBuf   []byte // a packet with its Tail
	writeBuf  []byte // a packet that is made from the caller's
}

// startPlain takes q over. The library opens a descriptor of its own, so q, whose work is done, is closed first. Nothing
// with a partial checksum can have got into the new queue: the offloads belong to the interface, and are off already.
func startPlain(q *queue, o Options) (Device, error) {
	q.close()
	able, err := o.Offloads.apply(none(errPlain))
	if err != nil {
		return nil, fmt.Errorf("tun: open %s: %w", q.name, err)
	}
	f, err := openWater(q.name)
	if err != nil {
		return nil, err
	}
	d := &plain{file: file{name: q.name, os: f}, able: able}
	s, err := newSlab(d, 3)
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	d.readBuf, d.joinBuf, d.writeBuf = s.buffer(0), s.buffer(1), s.buffer(2)
	return d, nil
}

// openWater opens the interface through the library, which forgets close-on-exec: so no fork may come between.
func openWater(name string) (*os.File, error) {
	config := water.Config{DeviceType: water.TUN}
	config.Name, config.Persist = name, true

	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	device, err := water.New(config)
	if err != nil {
		return nil, attachError(name, err)
	}
	f, ok := device.ReadWriteCloser.(*os.File)
	if !ok {
		_ = device.Close()
		return nil, fmt.Errorf("tun: open %s: the library gives no file", name)
	}
	conn, err := f.SyscallConn()
	if err == nil {
		err = conn.Control(func(fd uintptr) { syscall.CloseOnExec(int(fd)) })
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("tun: open %s: %w", name, err)
	}
	return f, nil
}

func (d *plain) Name() string       { return d.name }
func (d *plain) Driver() Driver     { return DriverPlain }
func (d *plain) Queues() []Queue    { return []Queue{d} }
func (d *plain) Joins() Joins       { return Joins{} }
func (d *plain) Unreadable() uint64 { return 0 }

func (d *plain) Read() ([]packet.Superpacket, error) {
	n, err := d.os.Read(d.readBuf)
	if err != nil {
		if end, ok := d.ended(err); ok {
			return nil, end
		}
		return nil, fmt.Errorf("tun: read from %s: %w", d.name, err)
	}
	d.in[0].Data = d.readBuf[:n]
	return d.in[:], nil
}

func (d *plain) Write(batch []packet.Superpacket) (written int, err error) {
	for i := range batch {
		refused := d.write(&batch[i])
		if refused == nil {
			written++
			continue
		}
		if end, ok := d.ended(refused); ok {
			return written, end
		}
		if err == nil {
			err = fmt.Errorf("tun: write to %s: %w", d.name, refused)
		}
	}
	return written, err
}

func (d *plain) write(p *packet.Superpacket) error {
	switch {
	case p.SegmentSize != 0:
		return d.writeSegments(p)
	case p.SegmentSize == 0 && !p.Partial() && len(p.Tail) == 0:
		return d.writeOne(p.Data)
	}
	pkt, err := whole(p, d.writeBuf)
	if err != nil {
		return err
	}
	return d.writeOne(pkt)
}

// writeSegments goes on after a segment that is refused: the others may still be of use.
func (d *plain) writeSegments(p *packet.Superpacket) error {
	pkt, err := contiguous(p, d.joinBuf)
	if err != nil {
		return err
	}
	if err := d.segmenter.Reset(pkt, p.SegmentSize, p.ChecksumStart, p.ChecksumOffset); err != nil {
		return err
	}
	for {
		n, payload, ok := d.segmenter.Next(d.writeBuf)
		if !ok {
			return err
		}
		n += copy(d.writeBuf[n:], payload)
		if refused := d.writeOne(d.writeBuf[:n]); refused != nil && err == nil {
			err = refused
		}
	}
}

func (d *plain) writeOne(pkt []byte) error {
	_, err := d.os.Write(pkt)
	return err
}

// errPlain is why it uses no offload.
var errPlain = errors.New("driver plain moves single, finished packets")

func (d *plain) Offloads() []Offload {
	list := d.able.list()
	list[0] = offload(offloadChecksum, errPlain)
	return list
}

func (d *plain) Close() error {
	d.closed.Store(true)
	if err := d.os.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("tun: close %s: %w", d.name, err)
	}
	return nil
}
