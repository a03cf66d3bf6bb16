package render

import (
	"fmt"
	"strings"
)

// theme is the colours of a chart on one kind of background, which the chart paints itself: a page may be dark where the
// reader's system is light.
type theme struct {
	background, ink, muted, grid, axis colour
	series                             [len(seriesNames)]colour
}

// seriesNames are the subjects that have a colour of their own, the same in every chart and report. References are grey, the
// families have a hue, what is not sealed is the lighter one of two.
var seriesNames = [...]string{
	"underlay", "host-gw", "vxlan",
	"weft-plain-clear", "weft-plain-sealed", "weft-batch-clear", "weft-batch-sealed", "weft-super-clear", "weft-super-sealed",
	"wireguard-go", "wireguard",
}

// The two themes. Colours of series have a contrast of 3 and more to the background (WCAG 2.2, 1.4.11), texts 4.5 and more
// (1.4.3), and any two series can be told apart with each kind of colour blindness; the tests say how far.
var (
	light = theme{
		background: 0xffffff, ink: 0x1f2328, muted: 0x59636e, grid: 0xe4e7eb, axis: 0x8c959f,
		series: [...]colour{
			0x7c808a, 0x61656e, 0x171b1f,
			0x1fa556, 0x0d622c, 0x456adb, 0x002297, 0xef6500, 0x5a2209,
			0xb07dcb, 0x623d6e,
		},
	}
	dark = theme{
		background: 0x0d1117, ink: 0xe6edf3, muted: 0x9aa4af, grid: 0x22282f, axis: 0x6e7681,
		series: [...]colour{
			0x60636c, 0x9399a2, 0xe9ecf1,
			0x4dc680, 0x2e8a54, 0x95d0ff, 0x3684f6, 0xf49736, 0xd54a13,
			0xc991e8, 0xa05ec2,
		},
	}
)

// seriesClass is the class of a subject's colour. Subjects without one share the colour of texts of minor weight: their name
// stands beside every mark anyway.
func seriesClass(subject string) string {
	for i, name := range seriesNames {
		if name == subject {
			return fmt.Sprintf("s%d", i)
		}
	}
	return "sx"
}

// fonts is what a browser has; the last is its own choice.
const fonts = `system-ui,-apple-system,"Segoe UI",Roboto,Helvetica,Arial,sans-serif`

// stylesheet is the style of every chart: light, and dark where the reader's system is.
func stylesheet() string {
	return fmt.Sprintf("text{font-family:%s;font-size:%gpx}.h{font-size:%gpx;font-weight:600}.p{font-weight:600}.f,.l{font-size:%gpx}"+
		".n{font-variant-numeric:tabular-nums}.f,.i{paint-order:stroke;stroke-width:3px;stroke-linejoin:round}\n%s@media (prefers-color-scheme:dark){\n%s}\n", fonts, sizeBody, sizeTitle, sizeSmall, light.css(), dark.css())
}

func (t *theme) css() string {
	var b strings.Builder
	fmt.Fprintf(&b, ".bg{fill:%s}text{fill:%s}.m{fill:%s}.grid{stroke:%s}.axis{stroke:%s}", t.background, t.ink, t.muted, t.grid, t.axis)
	fmt.Fprintf(&b, ".w{stroke:%s}.halo,.f,.i{stroke:%s}.hollow{fill:%s}\n", t.ink, t.background, t.background)
	for i, c := range t.series {
		fmt.Fprintf(&b, ".s%d{fill:%s;stroke:%s}", i, c, c)
	}
	fmt.Fprintf(&b, ".sx{fill:%s;stroke:%s}\n", t.muted, t.muted)
	return b.String()
}
