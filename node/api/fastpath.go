package api

// FastPath says how packets move, and how well. Totals count from the start of the daemon; a ratio is 0 when nothing has moved.
//
// A superpacket is a packet that the kernel hands over, or takes, unsegmented; a single packet counts as one of one segment. A
// frame is what one UDP datagram holds.
type FastPath struct {
	Lanes     int     `json:"lanes"`                // in force
	LanesWhy  string  `json:"lanes_why"`            // so many are wanted
	LanesLack string  `json:"lanes_lack,omitempty"` // why there are fewer than wanted
	Polled    bool    `json:"polled"`               // one loop serves a lane's queue and its sockets
	CPUs      int     `json:"cpus"`                 // that the daemon may run on
	CPUQuota  float64 `json:"cpu_quota,omitempty"`  // CPU seconds in a second that it is granted; none: no limit
	Threads   int     `json:"threads"`              // that Go code runs on at once
	Spin      int     `json:"spin"`                 // how often a lane looks again before it waits, at most
	SpinWhy   string  `json:"spin_why"`
	Partial   Feature `json:"partial"` // checksums of inner packets
	Refused   []Note  `json:"refused"` // peers that frames are sent to one by one, because the kernel refused a train

	SegmentsPerSuperpacketOut float64 `json:"segments_per_superpacket_out"` // read from the device
	SegmentsPerSuperpacketIn  float64 `json:"segments_per_superpacket_in"`  // written to the device
	FramesPerCallOut          float64 `json:"frames_per_call_out"`          // of a send
	FramesPerCallIn           float64 `json:"frames_per_call_in"`           // of a receive

	LaneTotals         // of all lanes
	PerLane    []Lane  `json:"per_lane"`
	Queue      *Queues `json:"queues,omitempty"` // none: the driver does not count
}

// LaneTotals are what lanes have done. The fewer calls and waits for a frame, the faster.
type LaneTotals struct {
	PacketsOut  uint64 `json:"packets_out"`       // that the port took, superpackets by their segments
	SendCalls   uint64 `json:"send_calls"`        // system calls that sent something
	MessagesOut uint64 `json:"messages_out"`      // datagrams and trains that the kernel took in one piece
	Resent      uint64 `json:"frames_resent"`     // one by one, after the kernel had refused their train
	FramesIn    uint64 `json:"frames_in"`         // of data and control
	Receives    uint64 `json:"receive_calls"`     // drains of the sockets that brought something
	MessagesIn  uint64 `json:"messages_in"`       // datagrams and trains that the kernel gave in one piece
	PacketsIn   uint64 `json:"packets_in"`        // that the device took, superpackets by their segments
	Written     uint64 `json:"superpackets_in"`   // that the device took
	Misdirected uint64 `json:"frames_wrong_lane"` // came to another lane than their own, and were carried over
	Spins       uint64 `json:"spins"`             // looks in vain before a wait
	Waits       uint64 `json:"waits"`
}

// Lane is one lane.
type Lane struct {
	Lane int `json:"lane"`
	LaneTotals
}

// Queues are what went through the queues of the device, and what the kernel did there.
type Queues struct {
	SuperpacketsRead uint64  `json:"superpackets_read"`
	SegmentsRead     uint64  `json:"segments_read"`
	Cut              uint64  `json:"superpackets_cut"`       // before they were written, because their kind is not joined
	Refused          uint64  `json:"superpackets_refused"`   // by the kernel, and cut then
	Copied           uint64  `json:"superpackets_copied"`    // to be written
	KernelDrops      *uint64 `json:"kernel_drops,omitempty"` // because a queue was full, since the interface was made; none: not known
}
