package measure

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weftnet/weft/bench/report"
)

type memory struct{}

func (m memory) ID() string                   { return fmt.Sprint("memory") }
func (m memory) About() string                { return "" }
func (m memory) Metrics() []report.Metric     { return nil }
func (m memory) Cost(l Lengths) time.Duration { return l.Bulk }
func (m memory) Run(context.Context, Target, Lengths) ([]Reading, error) {
	return nil, errors.New("measure: not built yet")
}
