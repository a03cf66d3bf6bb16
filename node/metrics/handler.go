package metrics

import (
	"io"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// maxRequests are worked on at once; further ones wait. A node that hangs would else gather a goroutine with each scrape.
const maxRequests = 4

// NewRegistry makes a registry of a node's metrics, and of those of its process and of Go.
func NewRegistry(source Source) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(NewCollector(source), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// NewHandler answers GET /metrics with a node's metrics, GET /healthz with 200 if healthy returns nil, else with 503 and the
// reason, and nothing else.
func NewHandler(source Source, healthy func() error) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(NewRegistry(source), promhttp.HandlerOpts{DisableCompression: true}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if err := healthy(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n") // the caller has gone; nobody is left to be told
	})
	return http.TimeoutHandler(bounded(mux), answerPatience, "the node does not answer\n")
}

// bounded works on maxRequests at once. One that has run out of time counts until it ends; one that waits for its turn gives up
// then.
func bounded(next http.Handler) http.Handler {
	slots := make(chan struct{}, maxRequests)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
			next.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	})
}
