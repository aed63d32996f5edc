// Package realredis tests switchovers with real servers and real Sentinels as processes (build tag redis): `make test-redis`.
//
// Each server is reached through a proxy, which knows by the address a connection comes from whether it is that of a
// replica, a Sentinel, a writer or the program under test, and can delay, freeze, swallow, reset or half close it. Writers
// write unique keys and note what was acknowledged. That a server was killed on one machine proves nothing by itself: the
// kernel delivers what was in its buffers.
package realredis
