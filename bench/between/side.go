package between

import "github.com/weftnet/weft/node/version"

func thisSide(node string) Side {
	return Side{Node: node, Weft: version.Get().Version, Host: thisHost()}
}

func thatSide(w *welcome) Side {
	return Side{Node: printable(w.Node), Weft: printable(w.Weft), Host: printable(w.Host)}
}
