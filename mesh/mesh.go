package mesh

import (
	"context"

	"github.com/weftnet/weft/trust"
)

// Mesh is this node's part in the cluster. Its methods may be called from any goroutine.
type Mesh struct {
	cfg Config
}

func New(cfg Config) (*Mesh, error)                                                { return &Mesh{cfg: cfg}, nil }
func (m *Mesh) Run(ctx context.Context) error                                      { <-ctx.Done(); return nil }
func (m *Mesh) Ingest(from trust.Fingerprint, boot trust.BootNonce, packet []byte) {}
func (m *Mesh) Accept(s Stream)                                                    {}
func (m *Mesh) SetLocal(l Local)                                                   {}
func (m *Mesh) Leave(ctx context.Context) error                                    { return nil }
func (m *Mesh) View() View                                                         { return View{} }
