package cnishim

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// benchPods is how many pods a benchmark adds and removes.
const benchPods = 200

// Run with -benchtime 1x: one run adds 200 pods and removes them, and reports the medians.
func BenchmarkOneAtATime(b *testing.B)    { benchmark(b, 1) }
func BenchmarkSixteenAtOnce(b *testing.B) { benchmark(b, 16) }

func benchmark(b *testing.B, atOnce int) {
	s := newSite(b)
	var calls []call
	for i := range benchPods {
		calls = append(calls, s.pod(fmt.Sprint("pod-", i), newSpace(b)))
	}
	for b.Loop() {
		for _, operation := range []string{"ADD", "STATUS", "DEL"} {
			took := s.each(calls, operation, atOnce)
			slices.Sort(took)
			b.ReportMetric(milliseconds(took[len(took)/2]), operation+"-p50-ms")
			b.ReportMetric(milliseconds(took[len(took)*99/100]), operation+"-p99-ms")
		}
	}
	if left := s.left(); left != "" {
		b.Errorf("left:\n%s", left)
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// each makes all calls, so many at once, and says how long each took.
func (s *site) each(calls []call, operation string, atOnce int) []time.Duration {
	took := make([]time.Duration, len(calls))
	next := make(chan int)
	var all sync.WaitGroup
	for range atOnce {
		all.Go(func() {
			for i := range next {
				start := time.Now()
				if _, err := s.try(calls[i].as(operation)); err != nil {
					s.t.Errorf("%s of %s: code %d: %s", operation, calls[i].container, err.Code, err.Msg)
				}
				took[i] = time.Since(start)
			}
		})
	}
	for i := range calls {
		next <- i
	}
	close(next)
	all.Wait()
	return took
}
