package bed

import "context"

// underlay is the two hosts themselves: no pods, no bridges, no routes. It is what nothing can surpass.
type underlay struct{}

// Name is "underlay".
func (underlay) Name() string { return "underlay" }

// About says what it is.
func (underlay) About() string { return "the two hosts themselves, without pods" }

// Overhead is none.
func (underlay) Overhead() int { return 0 }

// overlayMTU is that of the cable, whatever is asked for: there are no pods.
func (underlay) overlayMTU(underlay int) (own, most int) { return underlay, mostMTU }

// Unavailable is nil: where there is a lab, there is its underlay.
func (underlay) Unavailable(context.Context) error { return nil }

// Up does nothing but say where to measure.
func (underlay) Up(_ context.Context, b *Bed) (Running, error) {
	b.useHosts()
	return inKernel{}, nil
}
