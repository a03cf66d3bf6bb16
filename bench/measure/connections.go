package measure

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weftnet/weft/bench/report"
)

type connections struct{}

func (m connections) ID() string                   { return fmt.Sprint("conns") }
func (m connections) About() string                { return "" }
func (m connections) Metrics() []report.Metric     { return nil }
func (m connections) Cost(l Lengths) time.Duration { return l.Bulk }
func (m connections) Run(context.Context, Target, Lengths) ([]Reading, error) {
	return nil, errors.New("measure: not built yet")
}
