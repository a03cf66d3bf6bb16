package cri

import (
	"fmt"
	"os"
	"testing"

	"github.com/weftnet/weft/lab/labtest"
)

// TestMain also plays the owner of a machine that a test kills; see owner_test.go.
func TestMain(m *testing.M) {
	if os.Getenv(ownerVariable) != "" {
		if err := playOwner(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	labtest.Main(m)
}

var (
	within  = labtest.Within
	check   = labtest.Check
	testLab = labtest.Own
)
