package node

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/weftnet/weft/node/config"
)

// newLogger makes a logger whose level and format apply may change.
func newLogger(cfg config.Config, to io.Writer) *slog.Logger {
	h := &logHandler{now: new(atomic.Pointer[slog.Handler]), to: &lineWriter{to: to}}
	h.set(&cfg)
	return slog.New(h)
}

// logHandler writes records in the format and from the level that are in force. Handlers that WithAttrs and WithGroup make
// from it change along with it.
type logHandler struct {
	now  *atomic.Pointer[slog.Handler] // shared with all that were made from it
	to   io.Writer
	with []func(slog.Handler) slog.Handler // attributes and groups, to be added to now
}

// set takes level and format of cfg.
func (h *logHandler) set(cfg *config.Config) {
	options := &slog.HandlerOptions{Level: cfg.LogLevel}
	var handler slog.Handler = slog.NewTextHandler(h.to, options)
	if cfg.LogFormat == "json" {
		handler = slog.NewJSONHandler(h.to, options)
	}
	h.now.Store(&handler)
}

// Enabled implements slog.Handler.
func (h *logHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return (*h.now.Load()).Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	handler := *h.now.Load()
	for _, add := range h.with {
		handler = add(handler)
	}
	return handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.adding(func(to slog.Handler) slog.Handler { return to.WithAttrs(attrs) })
}

// WithGroup implements slog.Handler.
func (h *logHandler) WithGroup(name string) slog.Handler {
	return h.adding(func(to slog.Handler) slog.Handler { return to.WithGroup(name) })
}

func (h *logHandler) adding(add func(slog.Handler) slog.Handler) *logHandler {
	return &logHandler{now: h.now, to: h.to, with: append(h.with[:len(h.with):len(h.with)], add)}
}

// lineWriter takes one line at a time: while the format changes, two handlers write.
type lineWriter struct {
	mu sync.Mutex // guards to
	to io.Writer
}

// Write implements io.Writer.
func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(p)
}
