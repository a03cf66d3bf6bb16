package node

import (
	"errors"
	"net/http"
	"runtime/pprof"

	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
)

// inspection adds what 'weft doctor' and 'weft report' ask for to the control API.
func (n *Node) inspection(mux *http.ServeMux) {
	mux.HandleFunc("POST "+api.PathDialBack, n.replyDialBack)
	mux.HandleFunc("GET "+api.PathRotation, n.serveRotation)
	mux.HandleFunc("POST "+api.PathRotation, n.serveRotation)
	mux.HandleFunc("GET "+api.PathConfig, reply(n.settingsInForce))
	mux.HandleFunc("GET "+api.PathLog, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if n.recent != nil {
			_, _ = w.Write(n.recent.text()) // the client has gone; nobody is left to be told
		}
	})
	mux.HandleFunc("GET "+api.PathGoroutines, replyProfile("goroutine", 1))
	mux.HandleFunc("GET "+api.PathHeap, replyProfile("heap", 0))
}

// replyProfile answers with a profile of the process: as text with debug 1, else as go tool pprof reads it. Either holds names
// of functions and numbers, and nothing of what memory holds; debug 2 would show the words of arguments, which may be keys.
func replyProfile(name string, debug int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		_ = pprof.Lookup(name).WriteTo(w, debug) // the client has gone; nobody is left to be told
	}
}

func (n *Node) replyDialBack(w http.ResponseWriter, r *http.Request) {
	result, err := n.DialBack(r.Context(), r.URL.Query().Get("peer"))
	if errors.Is(err, ErrUnknownPeer) {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	reply(func() (*api.DialBack, error) { return result, err })(w, r)
}

// settingsInForce is the configuration, by the names of its keys. The secret and the node's key are not in it: they lie in
// files that it names.
func (n *Node) settingsInForce() ([]api.Setting, error) { return config.Settings(n.config()), nil }
