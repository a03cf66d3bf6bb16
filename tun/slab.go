package tun

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// slab is a row of equal packet buffers outside the garbage-collected heap. Memory is used only as far as packets reached
// into it: pages that were never touched cost nothing, so buffers can be as long as the longest packet.
type slab struct {
	mem    []byte
	stride int
}

// The stride is the longest packet with its headroom, rounded up, and not a multiple of the page size: else all packets'
// headers would compete for the same few sets of the L1 cache.
const (
	slabHeadroom = 64
	slabStride   = 1<<16 + 4096 + 3*64
)

// newSlab maps n buffers. They are given back when owner is garbage.
func newSlab[T any](owner *T, n int) (*slab, error) {
	mem, err := unix.Mmap(-1, 0, n*slabStride, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("tun: map packet buffers: %w", err)
	}
	// A huge page would be filled by one packet: 2 MiB each. Kernels without huge pages refuse the advice; all the better.
	_ = unix.Madvise(mem, unix.MADV_NOHUGEPAGE)
	runtime.AddCleanup(owner, func(m []byte) { _ = unix.Munmap(m) }, mem)
	return &slab{mem: mem, stride: slabStride}, nil
}

// buffer is the i-th buffer, slabStride long.
func (s *slab) buffer(i int) []byte {
	at := i * s.stride
	return s.mem[at : at+s.stride : at+s.stride]
}
