package render

import "math"

// linear is the colour in linear light, red, green and blue from 0 to 1 (IEC 61966-2-1).
func (c colour) linear() [3]float64 {
	var light [3]float64
	for i := range light {
		v := float64(c>>(16-8*i)&0xff) / 255
		if v <= 0.04045 {
			light[i] = v / 12.92
		} else {
			light[i] = math.Pow((v+0.055)/1.055, 2.4)
		}
	}
	return light
}

// contrast is the contrast ratio of two colours, 1 to 21 (WCAG 2.2, "contrast ratio" and "relative luminance").
func contrast(a, b colour) float64 {
	la, lb := luminance(a), luminance(b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

func luminance(c colour) float64 {
	light := c.linear()
	return 0.2126*light[0] + 0.7152*light[1] + 0.0722*light[2]
}
