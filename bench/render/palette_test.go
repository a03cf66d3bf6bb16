package render

import (
	"math"
	"testing"
)

func themes() map[string]*theme { return map[string]*theme{"light": &light, "dark": &dark} }

func TestTextsStandOutFromTheBackground(t *testing.T) {
	for name, th := range themes() {
		for what, c := range map[string]colour{"ink": th.ink, "muted": th.muted} {
			if got := contrast(c, th.background); got < 4.5 {
				t.Errorf("%s: %s %v has a contrast of %.2f, want 4.5", name, what, c, got)
			}
		}
	}
}

func TestEverySubjectStandsOutFromTheBackground(t *testing.T) {
	for name, th := range themes() {
		for i, c := range append(th.series[:], th.axis, th.muted) {
			want := 3.0
			if got := contrast(c, th.background); got < want {
				t.Errorf("%s: colour %d, %v, has a contrast of %.2f, want %.1f", name, i, c, got, want)
			}
		}
	}
}

// sights are how colours look to people without one kind of cone, in linear light (G. Machado, M. Oliveira, L. Fernandes, "A
// physiologically-based model for simulation of color vision deficiency", 2009, severity 1).
var sights = map[string][3][3]float64{
	"full sight":   {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
	"protanopia":   {{0.152286, 1.052583, -0.204868}, {0.114503, 0.786281, 0.099216}, {-0.003882, -0.048116, 1.051998}},
	"deuteranopia": {{0.367322, 0.860646, -0.227968}, {0.280085, 0.672501, 0.047413}, {-0.011820, 0.042940, 0.968881}},
	"tritanopia":   {{1.255528, -0.076749, -0.178779}, {-0.078411, 0.930809, 0.147602}, {0.004733, 0.691367, 0.303900}},
}

func TestSubjectsAreToldApartWithEveryKindOfColourBlindness(t *testing.T) {
	const apart = 0.08 // in Oklab; 0.02 is just seen when two colours touch
	for name, th := range themes() {
		for sight, matrix := range sights {
			for i := range th.series {
				for j := range i {
					if d := distance(seen(th.series[i], matrix), seen(th.series[j], matrix)); d < apart {
						t.Errorf("%s, %s: %s and %s are %.3f apart, want %.2f", name, sight, seriesNames[i], seriesNames[j], d, apart)
					}
				}
			}
		}
	}
}

// seen is the colour in Oklab (B. Ottosson, 2020), after it went through the eye.
func seen(c colour, eye [3][3]float64) [3]float64 {
	l := apply(eye, c.linear())
	for i := range l {
		l[i] = min(1, max(0, l[i]))
	}
	cones := apply([3][3]float64{{0.4122214708, 0.5363325363, 0.0514459929}, {0.2119034982, 0.6806995451, 0.1073969566}, {0.0883024619, 0.2817188376, 0.6299787005}}, l)
	for i := range cones {
		cones[i] = math.Cbrt(cones[i])
	}
	return apply([3][3]float64{{0.2104542553, 0.7936177850, -0.0040720468}, {1.9779984951, -2.4285922050, 0.4505937099}, {0.0259040371, 0.7827717662, -0.8086757660}}, cones)
}

func apply(m [3][3]float64, v [3]float64) (out [3]float64) {
	for i, row := range m {
		for j, f := range row {
			out[i] += f * v[j]
		}
	}
	return out
}

func distance(a, b [3]float64) float64 {
	return math.Hypot(math.Hypot(a[0]-b[0], a[1]-b[1]), a[2]-b[2])
}
