package firewall

import (
	"testing"

	"github.com/weftnet/weft/lab/labtest"
)

// BenchmarkSetWhenNothingChanged is what the keeper pays every few seconds.
func BenchmarkSetWhenNothingChanged(b *testing.B) {
	rules := NewRules(nil)
	h := labtest.Host(b, newLab(b), "vm")
	if err := h.Do(func() error {
		for range 2 {
			if _, err := rules.Set(wanted()); err != nil {
				return err
			}
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := rules.Set(wanted()); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		b.Fatal(err)
	}
}
