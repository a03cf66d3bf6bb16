package encap

// cursor walks over a train's buffers.
type cursor struct {
	bufs [][]byte
	off  int // into the first
}

// more reports whether bytes are left.
func (c *cursor) more() bool {
	for len(c.bufs) > 0 && c.off == len(c.bufs[0]) {
		c.bufs, c.off = c.bufs[1:], 0
	}
	return len(c.bufs) > 0
}

// take cuts off the next piece, of up to n bytes; nil at the end.
func (c *cursor) take(n int) []byte {
	if !c.more() {
		return nil
	}
	b := c.bufs[0][c.off:]
	b = b[:min(n, len(b))]
	c.off += len(b)
	return b
}

// left is how many bytes are left.
func (c *cursor) left() int {
	n := -c.off
	for _, b := range c.bufs {
		n += len(b)
	}
	return n
}

// skip passes over n bytes.
func (c *cursor) skip(n int) {
	for n > 0 && c.more() {
		n -= len(c.take(n))
	}
}
