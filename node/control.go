package node

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/weftnet/weft/node/api"
)

// serveControl answers the commands until ctx ends. It returns errStopAsked when a command asks for a stop.
func (n *Node) serveControl(ctx context.Context, l net.Listener) error {
	stop := make(chan struct{}, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+api.PathStatus, reply(n.Status))
	mux.HandleFunc("GET "+api.PathPeers, reply(n.Peers))
	mux.HandleFunc("GET "+api.PathRoutes, reply(n.Routes))
	mux.HandleFunc("GET "+api.PathMap, reply(n.Map))
	mux.HandleFunc("POST "+api.PathTrace, n.serveTrace)
	n.inspection(mux)
	mux.HandleFunc("POST "+api.PathReload, n.serveReload)
	mux.HandleFunc("POST "+api.PathRevoke, n.serveRevoke)
	mux.HandleFunc("POST "+api.PathForget, n.serveForget)
	mux.HandleFunc("POST "+api.PathStop, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		select {
		case stop <- struct{}{}:
		default:
		}
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 2 * time.Second, IdleTimeout: time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	var err error
	select {
	case <-ctx.Done():
	case <-stop:
		n.service.Notify(daemon.SdNotifyStopping)
		n.leave()
		err = errStopAsked
	case err = <-failed:
		return fmt.Errorf("node: control socket: %w", err)
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = server.Shutdown(end) // a client that does not read is cut off
	server.Close()
	<-failed
	return err
}

// reply makes a handler that answers with what f returns, as JSON.
func reply[T any](f func() (T, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		value, err := f()
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(value) // the client has gone; nobody is left to be told
	}
}
