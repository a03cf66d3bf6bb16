package router

import (
	"time"

	"github.com/weftnet/weft/encap"
)

// controlPort reads the control connection of a port that has one, in a loop of its own: handshakes, probes and gossip arrive while all
// lanes are busy, and take no room in the lanes' buffers. What control sends leaves by it, too, so that a lane's full send buffer
// holds nothing up.
type controlPort struct {
	dispatcher
	conn     encap.PolledConn
	poller   *poller
	beat     beat
	counters counters
	cookies  cookieFrames
	calm     pace // frames that are no flood
	flooded  bool // more came since the last pause
}

const (
	calmRate  = 1000 // frames in a second
	calmBurst = 512  // at once: a node with 500 peers starts
	// floodPause is how long frames of a flood gather. To wait for each would cost more than they do.
	floodPause = 5 * time.Millisecond
)

func newControlPort(r *Router, conn encap.PolledConn) *controlPort {
	c := &controlPort{conn: conn}
	c.dispatcher.init(r, &c.counters)
	c.beat.pulses = &r.pulses
	c.calm.set(calmRate, calmBurst)
	return c
}

// prepare makes what only a running loop needs.
func (c *controlPort) prepare() (err error) {
	c.poller, err = newPoller()
	return err
}

// finish gives back what prepare made.
func (c *controlPort) finish() {
	if c.poller != nil {
		c.poller.close()
	}
}

// wake makes the loop look at the router's state.
func (c *controlPort) wake() {
	if c.poller != nil {
		c.poller.wake()
	}
}

// run takes frames until the port is closed (nil) or fails.
func (c *controlPort) run() error {
	c.poller.watch(c.conn.Descriptor())
	for {
		c.beat.turn()
		batch, err := c.conn.TryReceive()
		switch {
		case closed(err):
			return nil
		case err != nil:
			return err
		case len(batch) > 0:
			c.inbound(batch)
		default:
			c.giveCookies()
			c.pause()
		}
	}
}

// giveCookies answers what the frames since the last pause have asked for. A goroutine that were woken for it would cost more.
func (c *controlPort) giveCookies() {
	for {
		q, some := c.r.limiter.request()
		if !some {
			return
		}
		c.r.giveCookies(&c.cookies, q)
	}
}

// pause waits for frames; for those of a flood, some time.
func (c *controlPort) pause() {
	if !c.flooded {
		c.poller.wait()
		return
	}
	c.flooded = false
	time.Sleep(floodPause)
}

// inbound takes one batch.
func (c *controlPort) inbound(batch []encap.Datagram) {
	c.counters.calls.Add(1)
	c.begin(c.r.table.Load(), c.r.clock())
	for i := range batch {
		c.flooded = !c.calm.take(c.now) || c.flooded
		c.datagram(&batch[i])
	}
}

// datagram takes the frames of one received unit.
func (c *controlPort) datagram(d *encap.Datagram) {
	if c.forged(d.From) {
		return
	}
	c.dscp = d.DSCP
	size := d.Size
	if size <= 0 {
		size = max(1, len(d.Data))
	}
	for rest := d.Data; ; {
		n := min(size, len(rest))
		c.frame(d.From, rest[:n], d.ECN)
		if rest = rest[n:]; len(rest) == 0 {
			return
		}
	}
}

// frame takes one frame. One for a lane comes here at the end of a train of others at most.
func (c *controlPort) frame(from encap.Endpoint, b []byte, ecn uint8) {
	h, err := encap.ParseHeader(b)
	switch {
	case err != nil:
		c.in.drop(refusal(err), 1)
	case !h.Type.InLanes():
		c.dispatch(from, h, b)
	case !c.r.laneOf(h.Lane).handOver(stray{from: from, frame: b, ecn: ecn, dscp: c.dscp}):
		c.in.drop(WrongLane, 1)
	}
}

// laneOf is the lane that takes the frames of a sender's lane.
func (r *Router) laneOf(sender uint8) *lane { return r.lanes[int(sender)%len(r.lanes)] }

// controlConn is the connection that control frames leave by.
func (r *Router) controlConn() encap.Conn {
	if r.controlPort != nil {
		return r.controlPort.conn
	}
	return r.conns[0]
}
