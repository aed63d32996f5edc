// Package switchovers carries out Switchovers, the kind by which somebody asks for the master of a shard to be handed over. It
// loads the object with its shard, roles/switchovers/decide says what becomes of it, roles/handover hands over, and the status
// tells each step.
//
// One that has begun carries a finalizer and the instance from which it goes, both written before the first step: so whoever leads
// next runs the same request, which finishes or gives the writes back.
package switchovers
