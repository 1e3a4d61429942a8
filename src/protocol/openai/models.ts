/** GET /v1/models, with what we can say more: description, context_length, parameters. */
import type { UpstreamModel } from '../ports.ts';

/** One model as an object of the list. `created`: seconds since the epoch, since when it is served. */
export function modelObject(model: UpstreamModel, created: number): Record<string, unknown> {
  return {
    id: model.id,
    object: 'model',
    created,
    owned_by: model.ownedBy ?? 'unbusy',
    ...(model.description === undefined ? {} : { description: model.description }),
    ...(model.contextTokens === undefined ? {} : { context_length: model.contextTokens }),
    ...(model.parameters === undefined ? {} : { parameters: model.parameters }),
  };
}

/** The whole list as JSON. */
export function encodeModelList(models: readonly UpstreamModel[], created: number): string {
  return JSON.stringify({
    object: 'list',
    data: models.map((model) => modelObject(model, created)),
  });
}
