package between

import (
	"fmt"
	"io"
	"net/netip"
	"sync"
)

// maxStrangers bounds how many addresses are remembered as refused; further ones are counted only.
const maxStrangers = 64

// journal tells the operator of a server what happens, a line each, and counts. It may be used by many goroutines.
type journal struct {
	mu      sync.Mutex // guards what follows
	out     io.Writer
	known   map[netip.Addr]bool // refused before
	refused int                 // connections
	runs    int
}

func newJournal(out io.Writer) *journal {
	return &journal{out: out, known: map[netip.Addr]bool{}}
}

func (j *journal) say(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	fmt.Fprintf(j.out, format+"\n", args...)
}

// stranger counts a connection that was refused. The first one of an address is said.
func (j *journal) stranger(addr netip.Addr, why string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.refused++
	if j.known[addr] || len(j.known) >= maxStrangers {
		return
	}
	j.known[addr] = true
	fmt.Fprintf(j.out, "refused %s: %s\n", addr, why)
}

// ran counts a run that has ended, and says how.
func (j *journal) ran(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.runs++
	fmt.Fprintf(j.out, format+"\n", args...)
}

// sum is the last line.
func (j *journal) sum() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return fmt.Sprintf("stopped: %s served, %s refused", count(j.runs, "run"), count(j.refused, "connection"))
}

// count is "1 run" or "2 runs".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
