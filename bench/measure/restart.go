package measure

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weftnet/weft/bench/report"
)

type restart struct{}

func (m restart) ID() string                   { return fmt.Sprint("restart") }
func (m restart) About() string                { return "" }
func (m restart) Metrics() []report.Metric     { return nil }
func (m restart) Cost(l Lengths) time.Duration { return l.Bulk }
func (m restart) Run(context.Context, Target, Lengths) ([]Reading, error) {
	return nil, errors.New("measure: not built yet")
}
