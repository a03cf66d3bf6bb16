package load

import (
	"math"
	"time"
)

// percentile is the nearest rank: the smallest of the sorted values such that at least the share p of them (0 to 1) is not
// greater. There is no interpolation: every answer is a value that was measured.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(p*float64(len(sorted)) - 1e-9)) // 0.999*1000 is a little more than 999
	return sorted[min(max(rank, 1), len(sorted))-1]
}
