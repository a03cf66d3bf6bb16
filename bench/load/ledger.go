package load

import (
	"sync"
	"time"
)

// ledger is the one owner of what arrived for a job: whoever receives tells it, once for each read or batch.
type ledger struct {
	mu          sync.Mutex // guards all
	tally       Tally
	window      window
	first, last time.Time
}

// connection notes one that gave the token.
func (l *ledger) connection() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tally.Connections++
}

// bytes notes a read of a connection at a time.
func (l *ledger) bytes(n int, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.arrived(n, at)
}

// datagrams notes a batch: the sequence numbers of those that carried the token, and the bytes of payload of all of them.
func (l *ledger) datagrams(seqs []uint64, bytes int, at time.Time) {
	if len(seqs) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, seq := range seqs {
		if !l.window.see(seq) {
			l.tally.Duplicates++
		}
	}
	l.tally.Datagrams += uint64(len(seqs))
	l.tally.Highest = l.window.next
	l.arrived(bytes, at)
}

// damaged notes datagrams that are not what was sent.
func (l *ledger) damaged(count int) {
	if count == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tally.Damaged += uint64(count)
}

// arrived counts bytes and measures times. Two readers may come in another order than their clocks.
func (l *ledger) arrived(n int, at time.Time) {
	l.tally.Bytes += uint64(n)
	if l.first.IsZero() {
		l.first, l.last = at, at
	}
	if gap := at.Sub(l.last); gap > 0 {
		l.tally.LongestGap = max(l.tally.LongestGap, gap)
		l.last = at
	}
}

// read is the tally as it stands.
func (l *ledger) read() Tally {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.tally
	t.Elapsed = l.last.Sub(l.first)
	return t
}
