package load

import (
	"context"
	cryptorand "crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"

	"golang.org/x/sys/unix"
)

// integrityTCP sends on one thread and receives on another: both directions are full.
func integrityTCP(ctx context.Context, place Place, far Far, o IntegrityOptions, result *IntegrityResult) (err error) {
	n, err := begin(ctx, "integrity over TCP", place, far, EchoTCP, o.Within)
	if err != nil {
		return err
	}
	defer func() { n.finish(ctx, &err) }()
	s, release, err := n.dial(ctx)
	if err != nil {
		return err
	}
	defer release()
	if err := errors.Join(s.limit(unix.SO_SNDTIMEO, stuckAfter), s.limit(unix.SO_RCVTIMEO, stuckAfter)); err != nil {
		return n.failed(ctx, err)
	}
	var seed [32]byte
	_, _ = cryptorand.Read(seed[:]) // never fails
	sent, back := sha256.New(), sha256.New()
	done := make(chan error, 1)
	go func() {
		err := sendRandom(s, seed, o.Bytes, sent)
		if err != nil {
			s.interrupt()
		}
		done <- err
	}()
	err = receiveRandom(s, seed, o.Bytes, back, result)
	if err != nil {
		s.interrupt() // or sending would wait for an echo that nobody takes
	}
	if err := errors.Join(<-done, err); err != nil {
		return n.failed(ctx, err)
	}
	result.Bytes, result.Sum = o.Bytes, fmt.Sprintf("%x", sent.Sum(nil))
	if got := fmt.Sprintf("%x", back.Sum(nil)); got != result.Sum && len(result.Differences) == 0 {
		result.differ("TCP: SHA-256 %s came back as %s", result.Sum, got)
	}
	return nil
}

// sendRandom sends the bytes of the seed.
func sendRandom(s *socket, seed [32]byte, count int64, sum hash.Hash) error {
	random, b := randomBytes(seed), make([]byte, chunkLen)
	for count > 0 {
		b = b[:min(count, chunkLen)]
		_, _ = random.Read(b)
		sum.Write(b)
		if n, err := s.sendAll(b); err != nil {
			return fmt.Errorf("send: %d bytes before the end: %w", count-int64(n), err)
		}
		count -= int64(len(b))
	}
	return nil
}

// receiveRandom receives as many bytes and describes what differs.
func receiveRandom(s *socket, seed [32]byte, count int64, sum hash.Hash, result *IntegrityResult) error {
	random, b, want := randomBytes(seed), make([]byte, chunkLen), make([]byte, chunkLen)
	for total := count; count > 0; {
		b = b[:min(count, chunkLen)]
		if err := s.recvAll(b); err != nil {
			return fmt.Errorf("receive: %d bytes before the end: %w", count, err)
		}
		_, _ = random.Read(want[:len(b)])
		sum.Write(b)
		if offset, differs := difference(b, want); differs > 0 {
			result.differ("TCP: %d of %d bytes differ, the first at offset %d of %d", differs, len(b), total-count+int64(offset), total)
		}
		count -= int64(len(b))
	}
	return nil
}
