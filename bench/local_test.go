package bench

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/weftnet/weft/bench/bed"
)

func TestOneBenchAtATimeMeasuresOnAMachine(t *testing.T) {
	name := fmt.Sprintf("%s-test-%d", only, os.Getpid())
	release, err := hold(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hold(name); err == nil {
		t.Error("a second one may measure as well")
	}
	release()
	again, err := hold(name)
	if err != nil {
		t.Fatalf("after the first has ended: %v", err)
	}
	again()
}

func TestImpossibleSizesAreUsageErrorsEvenWithoutRoot(t *testing.T) {
	for name, o := range map[string]Options{
		"overlay of 9000 on a link of 1500": {OverlayMTU: 9000},
		"link too small":                    {MTU: 500},
		"no link is so slow":                {Rate: 1},
	} {
		o.Out = t.TempDir() + "/out"
		_, err := Run(t.Context(), o)
		if !errors.Is(err, ErrUsage) || !errors.Is(err, bed.ErrImpossible) {
			t.Errorf("%s: error = %v", name, err)
		}
		mustNotExist(t, o.Out)
	}
}

func TestUnknownNamesAreUsageErrorsOfTheRealMachine(t *testing.T) {
	_, err := Run(t.Context(), Options{Only: []string{"vxlan", "tcp5"}, Out: t.TempDir() + "/out"})
	if !errors.Is(err, ErrUsage) {
		t.Errorf("error = %v", err)
	}
}
