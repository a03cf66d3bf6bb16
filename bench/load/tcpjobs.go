package load

import (
	"errors"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	chunkLen     = 128 << 10 // bytes of one read or write of bulk, as iperf3's
	acceptorsNum = 8         // threads that answer connections: more than cores, since a stranger may hold one for answerTime
)

// sink takes bytes until the connection ends.
func (j *job) sink(c *socket) {
	b := make([]byte, chunkLen)
	for {
		n, err := c.recv(b)
		if n == 0 || err != nil {
			return
		}
		j.ledger.bytes(n, time.Now())
	}
}

// source sends bytes until the connection is closed.
func (j *job) source(c *socket) {
	b := make([]byte, j.rate.chunk(chunkLen))
	fill(b)
	for {
		if !j.rate.pass(len(b), j.quit) {
			return
		}
		if _, err := c.sendAll(b); err != nil {
			return
		}
	}
}

// echo sends back what it gets.
func (j *job) echo(c *socket) {
	b := make([]byte, j.rate.chunk(chunkLen))
	locked(func() {
		for {
			n, err := c.recv(b)
			if n == 0 || err != nil {
				return
			}
			j.ledger.bytes(n, time.Now())
			if !j.rate.pass(n, j.quit) {
				return
			}
			if _, err := c.sendAll(b[:n]); err != nil {
				return
			}
		}
	})
}

// acceptors answer connections on several threads.
func (j *job) acceptors() {
	defer j.discard(j.main)
	var threads sync.WaitGroup
	for range acceptorsNum {
		threads.Go(func() { locked(j.answerAll) })
	}
	threads.Wait()
}

// answerAll takes connections one after the other.
func (j *job) answerAll() {
	for {
		c, err := j.accept()
		if err != nil {
			return
		}
		j.answer(c)
		j.discard(c)
	}
}

// answer takes the token and one byte, and sends one byte back. The near end closes by a reset; it is not waited for.
func (j *job) answer(c *socket) {
	var b [len(Token{}) + 1]byte
	if err := c.limit(unix.SO_RCVTIMEO, answerTime); err != nil {
		return
	}
	if c.recvAll(b[:]) != nil || !j.knows(b[:len(Token{})], c.peer.Addr()) {
		return
	}
	if _, err := c.send(b[len(Token{}):]); err == nil {
		j.ledger.connection()
		j.ledger.bytes(1, time.Now())
	}
}

// errStranger is not shown to anybody: a connection without the token is closed without a word.
var errStranger = errors.New("another token")
