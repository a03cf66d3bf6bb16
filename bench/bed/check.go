package bed

import (
	"errors"
	"fmt"
)

// ErrImpossible marks options under which a subject cannot be measured, whatever the machine.
var ErrImpossible = errors.New("impossible")

const (
	defaultMTU = 1500

	// What package lab takes.
	leastMTU  = 1280 // bytes, of cables and pods: the least that IPv6 may have (RFC 8200, section 5)
	mostMTU   = 65535
	leastRate = 100_000 // bit/s
	mostRate  = 100_000_000_000
)

// sizer is a subject whose MTU does not follow from its overhead alone.
type sizer interface {
	// overlayMTU is what the subject takes by itself on an underlay of that MTU, and the most that may be asked of it.
	overlayMTU(underlay int) (own, most int)
}

// overlayMTU is the MTU that the pods of a subject get when none is asked for, and the most that fits.
func overlayMTU(s Subject, underlay int) (own, most int) {
	if special, ok := s.(sizer); ok {
		return special.overlayMTU(underlay)
	}
	return underlay - s.Overhead(), underlay - s.Overhead()
}

// Check refuses options under which one of the subjects cannot be measured, before anything is made. The errors wrap
// ErrImpossible and name the subject, and what would fit.
func Check(o Options, subjects []Subject) error {
	o = o.withDefaults()
	if o.MTU < leastMTU || o.MTU > mostMTU {
		return impossible("MTU %d of the underlay: want %d to %d", o.MTU, leastMTU, mostMTU)
	}
	if o.Rate != 0 && (o.Rate < leastRate || o.Rate > mostRate) {
		return impossible("rate %d bit/s: want %d to %d, or 0 for unlimited", o.Rate, uint64(leastRate), uint64(mostRate))
	}
	if o.OverlayMTU != 0 && o.OverlayMTU < leastMTU {
		return impossible("overlay MTU %d: want at least %d", o.OverlayMTU, leastMTU)
	}
	for _, s := range subjects {
		if err := checkRoom(o, s, subjects); err != nil {
			return err
		}
	}
	return nil
}

// checkRoom refuses an overlay MTU that does not fit into the underlay's with the subject's overhead.
func checkRoom(o Options, s Subject, all []Subject) error {
	own, most := overlayMTU(s, o.MTU)
	if o.OverlayMTU == 0 && own < leastMTU {
		return impossible("%s leaves %d bytes of an underlay MTU of %d, and pods need %d: want an underlay MTU of %d or more",
			s.Name(), own, o.MTU, leastMTU, o.MTU+leastMTU-own)
	}
	if o.OverlayMTU <= most {
		return nil
	}
	if fits := fitsAll(o.MTU, all); fits >= leastMTU {
		return impossible("overlay MTU %d: %s has room for %d on an underlay MTU of %d; %d or less fits what is to be measured",
			o.OverlayMTU, s.Name(), most, o.MTU, fits)
	}
	return impossible("overlay MTU %d: %s has room for %d on an underlay MTU of %d, and pods need %d: want a larger underlay MTU",
		o.OverlayMTU, s.Name(), most, o.MTU, leastMTU)
}

// fitsAll is the largest overlay MTU for which every subject has room.
func fitsAll(underlay int, subjects []Subject) int {
	fits := underlay
	for _, s := range subjects {
		if !hasPods(s) {
			continue
		}
		_, most := overlayMTU(s, underlay)
		fits = min(fits, most)
	}
	return fits
}

// hasPods is false for the underlay, to which an overlay MTU means nothing.
func hasPods(s Subject) bool { return s != Subject(underlay{}) }

func impossible(format string, args ...any) error {
	return fmt.Errorf("bed: %w: %s", ErrImpossible, fmt.Sprintf(format, args...))
}
