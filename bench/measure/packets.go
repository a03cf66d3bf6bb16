package measure

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weftnet/weft/bench/report"
)

type packets struct{ payload int }

func (m packets) ID() string                   { return fmt.Sprint(fmt.Sprintf("udp%d", m.payload)) }
func (m packets) About() string                { return "" }
func (m packets) Metrics() []report.Metric     { return nil }
func (m packets) Cost(l Lengths) time.Duration { return l.Bulk }
func (m packets) Run(context.Context, Target, Lengths) ([]Reading, error) {
	return nil, errors.New("measure: not built yet")
}
