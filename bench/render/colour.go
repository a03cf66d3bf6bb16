package render

import "fmt"

// colour is one colour of sRGB, 0xRRGGBB.
type colour uint32

func (c colour) String() string { return fmt.Sprintf("#%06x", uint32(c)) }
