package k8s

import (
	"testing"
	"time"

	"github.com/weftnet/weft/lab/labtest"
)

func TestMain(m *testing.M) { labtest.Main(m) }

// soon bounds what takes a second or so.
const soon = time.Minute

var (
	within  = labtest.Within
	check   = labtest.Check
	testLab = labtest.Own
)
