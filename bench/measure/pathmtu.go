package measure

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weftnet/weft/bench/report"
)

type pathMTU struct{}

func (m pathMTU) ID() string                   { return fmt.Sprint("mtu") }
func (m pathMTU) About() string                { return "" }
func (m pathMTU) Metrics() []report.Metric     { return nil }
func (m pathMTU) Cost(l Lengths) time.Duration { return l.Bulk }
func (m pathMTU) Run(context.Context, Target, Lengths) ([]Reading, error) {
	return nil, errors.New("measure: not built yet")
}
