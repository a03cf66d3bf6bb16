package ipam

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkReserve is a Reserve in a book that has a number of records, and the Release after it, on a disk and without one.
func BenchmarkReserve(b *testing.B) {
	for _, place := range []string{"disk", "memory"} {
		for _, n := range []int{1, 250, 4000} {
			b.Run(fmt.Sprintf("%s/records=%d", place, n), func(b *testing.B) { benchReserve(b, place, n) })
		}
	}
}

func benchReserve(b *testing.B, place string, n int) {
	dir := b.TempDir()
	if place == "memory" {
		var err error
		if dir, err = os.MkdirTemp("/dev/shm", "ipam"); err != nil {
			b.Skip(err)
		}
		defer os.RemoveAll(dir)
	}
	c := &clock{}
	book, err := Open(dir, c.options())
	must(b, err)
	full := contents{Version: version}
	for i := range n {
		r := request(fmt.Sprintf("%064x", i), "10.0.0.0/16", "fd00::/64")
		_, err := book.add(&full, r)
		must(b, err)
	}
	must(b, os.MkdirAll(filepath.Dir(book.Path()), 0o700))
	must(b, book.write(&full))
	var cpu time.Duration
	for b.Loop() {
		r := request("new", "10.0.0.0/16", "fd00::/64")
		begin := cpuTime(b)
		if _, _, err := book.Reserve(b.Context(), r); err != nil {
			b.Fatal(err)
		}
		cpu += cpuTime(b) - begin
		b.StopTimer()
		if _, _, err := book.Release(b.Context(), r.Key); err != nil {
			b.Fatal(err)
		}
		c.after(Quarantine)
		b.StartTimer()
	}
	b.ReportMetric(cpu.Seconds()*1000/float64(b.N), "cpu-ms/op")
}

// cpuTime is what this process has used of the CPUs: on a machine that does other things, too, it says more than the time that passed.
func cpuTime(b *testing.B) time.Duration {
	var u unix.Rusage
	must(b, unix.Getrusage(unix.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
