package metrics

import (
	"fmt"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weftnet/weft/node/api"
)

// Type is what a family's values mean.
type Type string

// The types. Counters start at 0 with the daemon and only rise.
const (
	Counter Type = "counter"
	Gauge   Type = "gauge"
)

// Family is one metric with all its label values. Base units: bytes, seconds, packets.
type Family struct {
	Name   string
	Type   Type
	Labels []string
	Help   string

	desc    *prometheus.Desc
	collect func(*api.Status, emit)
}

// emit takes one sample of a family, with the values of its labels in order.
type emit func(value float64, labels ...string)

func counter(name, help string, collect func(*api.Status, emit), labels ...string) *Family {
	return family(name, Counter, help, collect, labels)
}

func gauge(name, help string, collect func(*api.Status, emit), labels ...string) *Family {
	return family(name, Gauge, help, collect, labels)
}

func family(name string, t Type, help string, collect func(*api.Status, emit), labels []string) *Family {
	return &Family{
		Name: name, Type: t, Labels: labels, Help: help,
		desc: prometheus.NewDesc(name, help, labels, nil), collect: collect,
	}
}

// send gives ch the family's samples of one state.
func (f *Family) send(s *api.Status, ch chan<- prometheus.Metric) {
	kind := prometheus.GaugeValue
	if f.Type == Counter {
		kind = prometheus.CounterValue
	}
	f.collect(s, func(value float64, labels ...string) {
		for i, text := range labels {
			labels[i] = strings.ToValidUTF8(text, "?") // else the whole scrape would fail
		}
		m, err := prometheus.NewConstMetric(f.desc, kind, value, labels...)
		if err != nil {
			m = prometheus.NewInvalidMetric(f.desc, fmt.Errorf("metrics: %s: %w", f.Name, err))
		}
		ch <- m
	})
}

// The directions of packets: out of the device towards peers, and in from them.
const (
	directionOut = "out"
	directionIn  = "in"
)

// ways makes a family of two series.
func ways(counts func(*api.Status) (out, in uint64)) func(*api.Status, emit) {
	return func(s *api.Status, e emit) {
		out, in := counts(s)
		e(float64(out), directionOut)
		e(float64(in), directionIn)
	}
}

// one makes a family of one series.
func one[T ~int | ~uint64](value func(*api.Status) T) func(*api.Status, emit) {
	return func(s *api.Status, e emit) { e(float64(value(s))) }
}

// truth is 1 or 0.
func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
