package pmtu

// Base is the size that is taken to pass before any probe was answered: the least MTU of IPv6 (RFC 8200, section 5). RFC 8899
// allows it as BASE_PLPMTU.
const Base = 1280

// The least sizes that a path can have.
const (
	Floor4 = 576  // what every IPv4 host takes (RFC 791)
	Floor6 = 1280 // RFC 8200, section 5
)

// common are the MTUs that links and tunnels have, ascending. A search tries those in its range first.
var common = []int{
	768, 1024, 1200, // below the base
	1280,
	1380, 1392, 1400, // stacked tunnels
	1420, 1440, // WireGuard
	1450, 1460, // VXLAN; Google Cloud
	1480, 1492, 1500, // IPv6 in IPv4; PPPoE; Ethernet
	2304, 4352, // 802.11; FDDI
	8850, 8900, 8950, 9000, 9216, // jumbo frames, with and without a tunnel
	16384, 32768,
}

// precision is how close to the longest size that passes a search comes, in bytes: half a percent of an Ethernet frame.
const precision = 8

// between lists the common sizes that are longer than low and shorter than high.
func between(low, high int) (list []int) {
	for _, size := range common {
		if size > low && size < high {
			list = append(list, size)
		}
	}
	return list
}

// divide lists three sizes that divide the range from low to high, or nothing where that is narrow enough.
func divide(low, high int) []int {
	gap := high - low
	if gap <= precision {
		return nil
	}
	list := []int{low + gap/4, low + gap/2, low + 3*gap/4}
	if gap < 4*precision {
		list = list[1:2]
	}
	return list
}
