package v1alpha1

// Configuration is what the engines of a set are configured with. The agent of an instance writes it to a file that its engine starts with,
// and brings a change to the engine that runs. What a change of each parameter takes is in docs/instanceset.md.
type Configuration struct {
	// container is the one whose engine reads the file: it has it as /etc/shoal/redis.conf, and its command must name that. It cannot be
	// changed.
	// +kubebuilder:default=redis
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +optional
	Container string `json:"container,omitempty"`
	// parameters are those that are not as the engine has them by default. One that Shoal does not know is brought to no instance, and
	// kubectl shoal lint says so before.
	// +kubebuilder:validation:MaxItems=128
	// +listType=map
	// +listMapKey=name
	// +optional
	Parameters []ConfigurationParameter `json:"parameters,omitempty"`
}

// ConfigurationParameter is a setting of the engine. None is a secret: how clients log in is not among those that Shoal knows.
type ConfigurationParameter struct {
	// name as redis.conf has it, in lower case.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[a-z][a-z0-9-]*$`
	// +required
	Name string `json:"name"`
	// value as CONFIG SET takes it: "2gb", "yes", "3600 1 300 100"; "" is one too. Printable ASCII.
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:Pattern=`^[ -~]*$`
	// +required
	Value string `json:"value"`
}

// ConfigurationContainer is the container of a Configuration that names none, as the API server has it by default.
const ConfigurationContainer = "redis"

// RefusedConfiguration is a configuration that an engine did not take. It is tried again when the template of that instance asks for
// something else.
type RefusedConfiguration struct {
	// updateRevision is the revision of the template that asked for it.
	// +kubebuilder:validation:MaxLength=64
	UpdateRevision string `json:"updateRevision"`
	// ordinal of the instance that refused it.
	Ordinal int32 `json:"ordinal"`
	// message is what was refused, and what the engine said.
	// +kubebuilder:validation:MaxLength=512
	Message string `json:"message"`
}
