/** Whose something is. Everything that one owner has is invisible to every other. */
export interface Owner {
  tenantId: string;
  userId: string;
}
