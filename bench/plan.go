package main

import "time"

// plan is how much of everything there is in a run.
type plan struct {
	warmUp, knocks  int           // latency: knocks for each, the first of which do not count
	idle            time.Duration // how long nothing happens
	doors, doorStep int           // memory: open doors at the end, and between two readings
	flood           time.Duration // length of each flood
	rates           []int         // packets a second of the first-port flood
	otherRates      []int         // of the other floods
	honest          int           // knocks during each flood
	gap             time.Duration // between the packets of one of these
	slowRate        int           // the flood in which the honest are slow
	slowGap         time.Duration
	pairs, packets  int // noise and forwarding: pairs of bursts, packets in each
	scans           int // in rising and in falling order each
	randomScans     int
	leases          int           // restart: open doors
	lease           time.Duration // how long these are to stay open
}

var (
	full = plan{
		warmUp: 20, knocks: 200,
		idle:  10 * time.Second,
		doors: 500, doorStep: 25,
		flood: 10 * time.Second,
		rates: []int{0, 1_000, 10_000, 50_000, 200_000}, otherRates: []int{1_000, 10_000, 50_000, 200_000},
		honest: 50, gap: 20 * time.Millisecond, slowRate: 10_000, slowGap: 500 * time.Millisecond,
		pairs: 15, packets: 100_000,
		scans: 3, randomScans: 18,
		leases: 20, lease: 15 * time.Second,
	}
	quick = plan{
		warmUp: 3, knocks: 40,
		idle:  2 * time.Second,
		doors: 100, doorStep: 25,
		flood: 2 * time.Second,
		rates: []int{10_000, 50_000}, otherRates: []int{50_000},
		honest: 10, gap: 20 * time.Millisecond, slowRate: 10_000, slowGap: 200 * time.Millisecond,
		pairs: 3, packets: 50_000,
		scans: 1, randomScans: 3,
		leases: 5, lease: 12 * time.Second,
	}
)
