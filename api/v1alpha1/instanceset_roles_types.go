package v1alpha1

// RoleName is a role, and a value of the label shoal.dev/role.
// +kubebuilder:validation:Enum=master;replica
type RoleName string

// Role names.
const (
	// RoleMaster takes writes.
	RoleMaster RoleName = "master"
	// RoleReplica follows a master.
	RoleReplica RoleName = "replica"
)

// RoleService says which Services there are for a role.
// +kubebuilder:validation:Enum=None;PerShard
type RoleService string

// Services of a role.
const (
	// RoleServiceNone makes no Service.
	RoleServiceNone RoleService = "None"
	// RoleServicePerShard makes one for each shard, named <set>-<i>-<role> for shard i, which selects the pods with the label of
	// the role.
	RoleServicePerShard RoleService = "PerShard"
)

// InstanceRole is a role that instances may have.
//
// +kubebuilder:validation:XValidation:rule="self.exclusive == (self.name == 'master')",message="the role master is exclusive, and the role replica is not"
type InstanceRole struct {
	// name of the role.
	// +required
	Name RoleName `json:"name"`
	// exclusive: at no moment do two pods of a shard carry the label of the role.
	// +kubebuilder:default=false
	// +optional
	Exclusive bool `json:"exclusive"`
	// service says whether there is a Service for the role in each shard.
	// +kubebuilder:default=None
	// +optional
	Service RoleService `json:"service,omitempty"`
}

// RoleProviderType is a sort of HA system.
// +kubebuilder:validation:Enum=Sentinel;Static
type RoleProviderType string

// Role providers.
const (
	// RoleProviderSentinel is Redis Sentinel.
	RoleProviderSentinel RoleProviderType = "Sentinel"
	// RoleProviderStatic is nobody: masters are made by people and by planned switchovers alone.
	RoleProviderStatic RoleProviderType = "Static"
)

// RoleProvider is the HA system of a set.
//
// +kubebuilder:validation:XValidation:rule="(self.type == 'Sentinel') == has(self.sentinel)",message="sentinel is for the type Sentinel, which needs it"
type RoleProvider struct {
	// type of the HA system.
	// +required
	Type RoleProviderType `json:"type"`
	// sentinel says where the Sentinels are.
	// +optional
	Sentinel *SentinelProvider `json:"sentinel,omitempty"`
}

// SentinelProvider says where the Sentinels of a set are.
type SentinelProvider struct {
	// addresses are host:port of all Sentinels. Most of them must name a master before it gets its label. Names are looked up
	// in the manager's namespace: give them with their own, as sentinel-0.sentinel.shop.svc:26379.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=15
	// +kubebuilder:validation:items:MinLength=3
	// +kubebuilder:validation:items:MaxLength=262
	// +kubebuilder:validation:XValidation:rule="self.all(a, a.matches('^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[[][0-9A-Fa-f:.]+[]]):([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$'))",message="an address is host:port, with a port from 1 to 65535; IPv6 is written as [fd00::1]:26379"
	// +listType=set
	// +required
	Addresses []string `json:"addresses"`
	// monitor is the name by which they know a shard; {shard} stands for its label shoal.dev/shard.
	// +kubebuilder:default="{shard}"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9{}_.-]+$`
	// +optional
	Monitor string `json:"monitor,omitempty"`
	// access is how agents and the manager log in to the Sentinels. Unset means without a password and without TLS. The manager
	// reads the Secrets, each time that it needs them: give it a Role in this namespace for those and no others.
	// +optional
	Access *RedisAccess `json:"access,omitempty"`
}
