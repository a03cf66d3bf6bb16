package metrics

import (
	"fmt"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weftnet/weft/node/api"
)

// Source returns the node's state at this moment. It may be called from many goroutines.
type Source func() (*api.Status, error)

// Collector turns a node's state into metrics. It implements prometheus.Collector and keeps nothing between two scrapes.
type Collector struct{ source Source }

// NewCollector makes a collector of a node's state.
func NewCollector(source Source) *Collector { return &Collector{source} }

var families = slices.Concat(nodeFamilies, trafficFamilies, laneFamilies, clusterFamilies, trustFamilies, podFamilies, peerFamilies)

// Families lists every metric of a Collector, in the order of the documentation.
func Families() []*Family { return slices.Clone(families) }

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range families {
		ch <- f.desc
	}
}

// Collect implements prometheus.Collector. A node that does not answer makes the scrape fail as a whole: half of a state would
// look like a change.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	status, err := c.source()
	if err != nil {
		ch <- prometheus.NewInvalidMetric(families[0].desc, fmt.Errorf("metrics: read the node's state: %w", err))
		return
	}
	for _, f := range families {
		f.send(status, ch)
	}
}
