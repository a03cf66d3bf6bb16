package node

import (
	"bytes"
	"io"
	"sync"
)

// logTail passes log lines on and keeps the latest ones, for 'weft report' on hosts without a journal. It may be used from
// any goroutine. slog's handlers write one line in a call.
type logTail struct {
	to io.Writer

	mu    sync.Mutex // guards what follows
	lines [][]byte   // a ring
	next  int        // where the next line goes
	size  int        // bytes in lines
}

const (
	tailLines = 2000
	tailBytes = 512 << 10 // of all lines
)

func newLogTail(to io.Writer) *logTail { return &logTail{to: to, lines: make([][]byte, tailLines)} }

// Write implements io.Writer.
func (t *logTail) Write(line []byte) (int, error) {
	t.keep(bytes.Clone(line))
	return t.to.Write(line)
}

// keep puts a line in the place of the oldest, and drops more of the oldest while all are too long.
func (t *logTail) keep(line []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.size += len(line) - len(t.lines[t.next])
	t.lines[t.next] = line
	t.next = (t.next + 1) % len(t.lines)
	for i := t.next; t.size > tailBytes && i != (t.next+len(t.lines)-1)%len(t.lines); i = (i + 1) % len(t.lines) {
		t.size -= len(t.lines[i])
		t.lines[i] = nil
	}
}

// text is the lines, the oldest first.
func (t *logTail) text() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append(bytes.Join(t.lines[t.next:], nil), bytes.Join(t.lines[:t.next], nil)...)
}
